// SPDX-License-Identifier: Apache-2.0
// NodeIds: which node has an id: a hash table of node numbers that leaves the ids themselves where
// they are.
//
// Eight bytes a node at the most. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace berth::placement {

class NodeIds {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }

  // `id_of(node)` tells the id of any node that is in here.
  template <typename IdOf>
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view id, const IdOf& id_of) const {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t at = home(id);; at = next(at)) {
      if (slots_[at] == kEmpty) return std::nullopt;
      if (id_of(slots_[at]) == id) return slots_[at];
    }
  }
  // Requires: no node in here has this id; id_of(node) is it already.
  template <typename IdOf>
  void add(std::uint32_t node, const IdOf& id_of) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow(id_of);
    place(node, id_of(node));
    ++size_;
  }
  // Requires: the node is in here, and id_of(node) is still its id.
  template <typename IdOf>
  void remove(std::uint32_t node, const IdOf& id_of) {
    std::size_t at = home(id_of(node));
    while (slots_[at] != node) at = next(at);
    // Closes the gap, so that nobody's search ends early.
    for (std::size_t from = next(at); slots_[from] != kEmpty; from = next(from)) {
      const std::size_t wanted = home(id_of(slots_[from]));
      const std::size_t mask = slots_.size() - 1;
      if (((from - wanted) & mask) < ((from - at) & mask)) continue;
      slots_[at] = slots_[from];
      at = from;
    }
    slots_[at] = kEmpty;
    --size_;
  }
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(std::uint32_t); }

 private:
  static constexpr std::uint32_t kEmpty = UINT32_MAX;

  [[nodiscard]] std::size_t home(std::string_view id) const {
    return std::hash<std::string_view>{}(id) & (slots_.size() - 1);
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  void place(std::uint32_t node, std::string_view id) {
    std::size_t at = home(id);
    while (slots_[at] != kEmpty) at = next(at);
    slots_[at] = node;
  }
  template <typename IdOf>
  void grow(const IdOf& id_of) {
    const std::vector<std::uint32_t> old = std::move(slots_);
    slots_.assign(old.empty() ? 16 : old.size() * 2, kEmpty);
    for (const std::uint32_t node : old) {
      if (node != kEmpty) place(node, id_of(node));
    }
  }

  std::vector<std::uint32_t> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace berth::placement
