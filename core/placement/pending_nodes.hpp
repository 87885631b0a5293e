// SPDX-License-Identifier: Apache-2.0
// PendingNodes: the few nodes whose change an index has not taken in yet, with what they are now.
//
// Taking changes in many at a time has the processor fetch what they touch side by side, and takes
// in a node that changed twice once. Until then a search looks here, too, and passes by what its
// tree says of these nodes. Memory: a byte a node. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/placement/lanes.hpp"

namespace berth::placement {

class PendingNodes {
 public:
  // As many as the bits of a mask. More make a search slower, fewer leave less to fetch together.
  static constexpr std::uint32_t kSize = 64;

  struct Entry {
    std::int32_t cpu = lanes::kNothing;
    std::int32_t memory = lanes::kNothing;
    std::uint32_t node = 0;
    std::uint8_t part = 0;   // the tree it belongs to
    std::uint8_t label = 0;  // as OrderEntry's
  };

  // `nodes` only grows.
  void resize(std::size_t nodes) {
    if (slots_.size() < nodes) slots_.resize(nodes);
  }
  [[nodiscard]] bool contains(std::uint32_t node) const { return slots_[node] != 0; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool has_room_for(std::uint32_t node) const {
    return count_ < kSize || contains(node);
  }
  // The node is this now. Requires: there is room for it.
  void note(const Entry& entry) {
    std::uint8_t& slot = slots_[entry.node];
    if (slot == 0) slot = static_cast<std::uint8_t>(++count_);
    const std::uint32_t at = slot - 1u;
    cpu_[at] = entry.cpu;
    memory_[at] = entry.memory;
    node_[at] = static_cast<std::int32_t>(entry.node);
    part_[at] = entry.part;
    label_[at] = entry.label;
  }
  void clear() {
    for (std::uint32_t at = 0; at < count_; ++at) slots_[node(at)] = 0;
    count_ = 0;
  }

  // Those of a part that offer at least so much, as a mask of positions; least > lanes::kNothing.
  [[nodiscard]] std::uint64_t with_at_least(std::int32_t cpu, std::int32_t memory,
                                            std::uint8_t part) const {
    std::uint64_t out = 0;
    for (std::uint32_t at = 0; at < count_; at += lanes::kWidth) {
      const std::uint32_t here =
          lanes::at_least(cpu_ + at, cpu, memory_ + at, memory) & lanes::equal(part_ + at, part);
      out |= std::uint64_t{here} << at;
    }
    return out & used();
  }
  // Those whose value is not above `most`.
  [[nodiscard]] std::uint64_t nodes_not_above(std::uint32_t most) const {
    return not_above(node_, static_cast<std::int32_t>(most));
  }
  [[nodiscard]] std::uint64_t cpu_not_above(std::int32_t most) const {
    return not_above(cpu_, most);
  }
  [[nodiscard]] std::uint64_t memory_not_above(std::int32_t most) const {
    return not_above(memory_, most);
  }

  [[nodiscard]] std::int32_t cpu(std::uint32_t at) const { return cpu_[at]; }
  [[nodiscard]] std::int32_t memory(std::uint32_t at) const { return memory_[at]; }
  [[nodiscard]] std::uint32_t node(std::uint32_t at) const {
    return static_cast<std::uint32_t>(node_[at]);
  }
  [[nodiscard]] std::uint8_t part(std::uint32_t at) const { return part_[at]; }
  [[nodiscard]] std::uint8_t label(std::uint32_t at) const { return label_[at]; }
  [[nodiscard]] Entry entry(std::uint32_t at) const {
    return {cpu_[at], memory_[at], node(at), part_[at], label_[at]};
  }
  void prefetch(std::uint32_t node) const {
    if (node < slots_.size()) lanes::prefetch(&slots_[node]);
  }
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity(); }

 private:
  [[nodiscard]] std::uint64_t used() const {
    return count_ == kSize ? ~std::uint64_t{0} : (std::uint64_t{1} << count_) - 1;
  }
  [[nodiscard]] std::uint64_t not_above(const std::int32_t* values, std::int32_t most) const {
    if (most == INT32_MAX) return used();
    std::uint64_t out = 0;
    for (std::uint32_t at = 0; at < count_; at += lanes::kWidth)
      out |= std::uint64_t{lanes::below(values + at, most + 1)} << at;
    return out & used();
  }

  std::uint32_t count_ = 0;
  alignas(64) std::int32_t cpu_[kSize] = {};
  std::int32_t memory_[kSize] = {};
  std::int32_t node_[kSize] = {};
  std::uint8_t part_[kSize] = {};
  std::uint8_t label_[kSize] = {};
  std::vector<std::uint8_t> slots_;  // by node: its position and one more; 0: it is not here
};

}  // namespace berth::placement
