// SPDX-License-Identifier: Apache-2.0
// DirtyNodes: nodes that changed since an index last looked, each once.
//
// Once they are so many that looking at all nodes is cheaper, it only knows "all". Threads: one at
// a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace berth::placement {

class DirtyNodes {
 public:
  void mark(std::uint32_t node) {
    if (all_) return;
    const std::size_t word = node / 64;
    if (word >= bits_.size()) bits_.resize(word + 1);
    const std::uint64_t bit = std::uint64_t{1} << (node % 64);
    if ((bits_[word] & bit) != 0) return;
    bits_[word] |= bit;
    nodes_.push_back(node);
    if (nodes_.size() > 64 + bits_.size() * 16) mark_all();
  }
  void mark_all() {
    all_ = true;
    nodes_ = {};
    bits_ = {};
  }
  [[nodiscard]] bool all() const { return all_; }
  [[nodiscard]] const std::vector<std::uint32_t>& nodes() const { return nodes_; }
  void clear() {
    for (const std::uint32_t node : nodes_) bits_[node / 64] = 0;
    nodes_.clear();
    all_ = false;
  }
  [[nodiscard]] std::size_t bytes() const {
    return nodes_.capacity() * sizeof(std::uint32_t) + bits_.capacity() * sizeof(std::uint64_t);
  }

 private:
  bool all_ = true;
  std::vector<std::uint32_t> nodes_;
  std::vector<std::uint64_t> bits_;
};

}  // namespace berth::placement
