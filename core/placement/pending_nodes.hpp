// SPDX-License-Identifier: Apache-2.0
// PendingNodes: the few nodes whose change an index has not taken in yet, with what they are now.
//
// Taking changes in some at a time has the processor fetch what they touch side by side, and takes
// in a node that changed twice once. Until then a search looks here, too, and passes by what its
// tree says of these nodes. Each stands at a position, which is a bit of masks. Memory: a byte a
// node. Threads: one at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/placement/lanes.hpp"

namespace berth::placement {

class PendingNodes {
 public:
  static constexpr std::uint32_t kSize = 64;  // the bits of a mask
  // So many are taken in together: enough to fetch side by side, few enough to wait for.
  static constexpr std::uint32_t kTogether = 16;

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
  // The positions in use.
  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] bool has_room_for(std::uint32_t node) const {
    return ~used_ != 0 || contains(node);
  }
  // The node is this now. Requires: there is room for it.
  void note(const Entry& entry) {
    std::uint8_t& slot = slots_[entry.node];
    if (slot == 0) {
      const auto free = static_cast<std::uint32_t>(std::countr_zero(~used_));
      used_ |= std::uint64_t{1} << free;
      slot = static_cast<std::uint8_t>(free + 1);
    }
    const std::uint32_t at = slot - 1u;
    cpu_[at] = entry.cpu;
    memory_[at] = entry.memory;
    node_[at] = static_cast<std::int32_t>(entry.node);
    part_[at] = entry.part;
    label_[at] = entry.label;
  }
  // Some of them, each time others, in turn: kTogether where there is no room.
  [[nodiscard]] std::uint64_t next_to_go() {
    const std::uint64_t out = ((std::uint64_t{1} << kTogether) - 1) << turn_;
    turn_ = (turn_ + kTogether) % kSize;
    return out & used_;
  }
  void remove(std::uint64_t positions) {
    for (std::uint64_t rest = positions; rest != 0; rest &= rest - 1)
      slots_[node(static_cast<std::uint32_t>(std::countr_zero(rest)))] = 0;
    used_ &= ~positions;
  }
  void clear() { remove(used_); }

  // Those of a part that offer at least so much, as a mask of positions; least > lanes::kNothing.
  [[nodiscard]] std::uint64_t with_at_least(std::int32_t cpu, std::int32_t memory,
                                            std::uint8_t part) const {
    std::uint64_t out = 0;
    for (std::uint32_t at = 0; at < end(); at += lanes::kWidth) {
      const std::uint32_t here =
          lanes::at_least(cpu_ + at, cpu, memory_ + at, memory) & lanes::equal(part_ + at, part);
      out |= std::uint64_t{here} << at;
    }
    return out & used_;
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
  // Beyond the last position in use.
  [[nodiscard]] std::uint32_t end() const {
    return static_cast<std::uint32_t>(std::bit_width(used_));
  }
  [[nodiscard]] std::uint64_t not_above(const std::int32_t* values, std::int32_t most) const {
    if (most == INT32_MAX) return used_;
    std::uint64_t out = 0;
    for (std::uint32_t at = 0; at < end(); at += lanes::kWidth)
      out |= std::uint64_t{lanes::below(values + at, most + 1)} << at;
    return out & used_;
  }

  std::uint64_t used_ = 0;
  std::uint32_t turn_ = 0;
  alignas(64) std::int32_t cpu_[kSize] = {};
  std::int32_t memory_[kSize] = {};
  std::int32_t node_[kSize] = {};
  std::uint8_t part_[kSize] = {};
  std::uint8_t label_[kSize] = {};
  std::vector<std::uint8_t> slots_;  // by node: its position and one more; 0: it is not here
};

}  // namespace berth::placement
