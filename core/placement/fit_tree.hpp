// SPDX-License-Identifier: Apache-2.0
// FitTree: finds the first nodes, in node order, that offer at least so much cpu and memory.
//
// Over the columns of offers stand levels of 16-fold summaries: for each step of FitSteps, entry i
// of level l holds the most memory that any node below entries 16 i .. 16 i + 15 offers beside that
// much cpu. So a summary that does not suffice is proof, and one that does is nearly always right:
// it may be wrong by the distance from the step to the cpu that is asked for, and by a thousandth.
// A tree may be for some of the nodes only; then its summaries speak of these, and its leaves are
// still the columns of all.
//
// Costs: a change brings up to date one entry a level, up to where it makes no difference, about 20
// ns; a search looks at half a line of the cache a level. Memory: 1 / 7.5 bytes a node and step.
// Threads: one at a time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/placement/count_tree.hpp"
#include "core/placement/fit_steps.hpp"
#include "core/placement/lanes.hpp"

namespace berth::placement {

class FitTree {
 public:
  // The most memory beside each step's cpu, as codes.
  using Most = std::array<std::int16_t, FitSteps::kMost>;

  // `steps` as they are now: when they change, a tree is made anew.
  explicit FitTree(const FitSteps& steps) : steps_(steps.count()), codes_(steps.codes()) {}

  // `nodes` only grows.
  void resize(std::size_t nodes);
  // What nodes 16 block .. 16 block + 15 offer; those with their bit in `members` are in the tree.
  void set(std::uint32_t block, const FitCode* nodes, std::uint32_t members);
  // The same, where one member alone changed since the last time.
  void change(std::uint32_t block, FitCode before, FitCode now, const FitCode* nodes,
              std::uint32_t members);
  // Has the lines at hand that `change` will ask for.
  void prefetch(std::uint32_t block) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class FitSearch;
  // One step's summaries of 16 neighbours.
  struct alignas(32) Row {
    std::int16_t most[lanes::kWidth] = {};
  };
  void raise(Most& most, FitCode node) const;
  void put(std::uint32_t block, const Most& most);
  // The rows of 16 entries' steps.
  [[nodiscard]] const Row* rows(std::size_t level, std::size_t block) const {
    return levels_[level].data() + block * steps_;
  }

  std::uint32_t steps_;
  std::array<std::int16_t, FitSteps::kMost> codes_;
  std::vector<std::vector<Row>> levels_;  // levels_[0] summarises 16 nodes an entry
};

// What a search asks for: not less cpu than the tree's first step. The columns reach to a multiple
// of 64 nodes.
struct FitQuestion {
  const std::int32_t* cpu = nullptr;
  const std::int32_t* memory = nullptr;
  std::int32_t least_cpu = 0;
  std::int32_t least_memory = 0;
  // Only nodes of this part. Null: all.
  const std::uint8_t* part_of = nullptr;
  std::uint8_t part = 0;
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
  std::uint32_t step_ = 0;
  std::int16_t least_code_ = 0;
  const CountTree* counts_;
  std::int32_t count_end_;
  std::uint32_t steps_ = 0;
  std::size_t level_ = 0;
  std::size_t top_;
  std::uint32_t blocks_[kMostLevels] = {};
  std::uint32_t hints_[kMostLevels] = {};
};

}  // namespace berth::placement
