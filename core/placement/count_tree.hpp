// SPDX-License-Identifier: Apache-2.0
// CountTree: how many tasks of one set each node runs, as a column, with the least of every 16,
// 256, ... nodes above it.
//
// Invariant: level l, entry i is the least of the 16 entries of level l - 1 from 16 i on.
// Memory: 4.3 bytes a node. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace berth::placement {

class CountTree {
 public:
  // Nodes that are new have no tasks. `nodes` only grows.
  void resize(std::size_t nodes);
  void add(std::uint32_t node, std::int32_t more);
  // Without bringing the upper levels up to date; `finish` does, for all.
  void add_only(std::uint32_t node, std::int32_t more) { levels_[0][node] += more; }
  void finish();

  [[nodiscard]] const std::int32_t* level(std::size_t l) const { return levels_[l].data(); }
  [[nodiscard]] std::int32_t of(std::uint32_t node) const { return levels_[0][node]; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  // Level 0 is the column. Each is padded to a multiple of 16, or what `resize` was told: zeros.
  std::vector<std::vector<std::int32_t>> levels_;
};

}  // namespace berth::placement
