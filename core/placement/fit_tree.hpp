// SPDX-License-Identifier: Apache-2.0
// FitTree: finds the first nodes, in node order, that offer at least so much cpu and memory.
//
// Over the columns of offers stand levels of 16-fold summaries: entry i of level l holds the most
// cpu and the most memory that any of the entries 16 i .. 16 i + 15 below it offers (two maxima,
// not of one node: a summary that suffices is a hint, one that does not is proof). A tree may be
// for some of the nodes only; then its summaries speak of these, and its leaves are still the
// columns of all.
//
// Costs: a change brings up to date one entry a level, about 5 ns each; a search looks at one entry
// a level and at what hints led to in vain. Memory: 8 / 15 bytes a node. Threads: one at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/placement/count_tree.hpp"
#include "core/placement/lanes.hpp"

namespace berth::placement {

class FitTree {
 public:
  // `nodes` only grows.
  void resize(std::size_t nodes);
  // The most that nodes 16 block .. 16 block + 15 offer.
  void set(std::uint32_t block, std::int32_t cpu, std::int32_t memory);
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class FitSearch;
  struct Level {
    std::vector<std::int32_t> cpu;  // padded to a multiple of 16 by lanes::kNothing
    std::vector<std::int32_t> memory;
  };
  std::vector<Level> levels_;  // levels_[0] summarises 16 nodes an entry
};

// What a search asks for. The columns reach to a multiple of 64 nodes.
struct FitQuestion {
  const std::int32_t* cpu = nullptr;
  const std::int32_t* memory = nullptr;
  std::int32_t least_cpu = 0;
  std::int32_t least_memory = 0;
};

// Goes through the nodes that offer enough, from `from` on, ascending. With counts it passes by the
// nodes that run `count_end` or more, which may be lowered on the way.
class FitSearch {
 public:
  FitSearch(const FitTree& tree, const FitQuestion& question, std::uint32_t from,
            const CountTree* counts = nullptr, std::int32_t count_end = INT32_MAX);

  static constexpr std::uint32_t kNone = UINT32_MAX;
  [[nodiscard]] std::uint32_t next();
  void lower_count_end(std::int32_t end) { count_end_ = end; }
  // Blocks of 16 looked at, so far.
  [[nodiscard]] std::uint32_t steps() const { return steps_; }

 private:
  static constexpr std::size_t kMostLevels = 9;  // 16^8 nodes and more
  // Which of the 16 entries of `block` are hints; at level 0 entries are nodes.
  [[nodiscard]] std::uint32_t look(std::size_t level, std::uint32_t block);

  const FitTree& tree_;
  FitQuestion question_;
  const CountTree* counts_;
  std::int32_t count_end_;
  std::uint32_t steps_ = 0;
  std::size_t level_ = 0;
  std::size_t top_;
  std::uint32_t blocks_[kMostLevels] = {};
  std::uint32_t hints_[kMostLevels] = {};
};

}  // namespace berth::placement
