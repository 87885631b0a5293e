// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_tree.hpp"

#include <algorithm>

namespace berth::placement {
namespace {

constexpr std::size_t padded(std::size_t size) {
  return (size + lanes::kWidth - 1) / lanes::kWidth * lanes::kWidth;
}

}  // namespace

void FitTree::resize(std::size_t nodes) {
  std::size_t size = padded(nodes) / lanes::kWidth;
  for (std::size_t l = 0; l == 0 || size > lanes::kWidth; ++l) {
    if (l > 0) size = padded(size) / lanes::kWidth;
    if (l == levels_.size()) {
      levels_.emplace_back();
      Level& added = levels_.back();
      added.cpu.resize(padded(size), lanes::kNothing);
      added.memory.resize(padded(size), lanes::kNothing);
      if (l == 0) continue;
      const Level& below = levels_[l - 1];
      for (std::size_t i = 0; i < below.cpu.size() / lanes::kWidth; ++i) {
        added.cpu[i] = lanes::greatest(below.cpu.data() + i * lanes::kWidth);
        added.memory[i] = lanes::greatest(below.memory.data() + i * lanes::kWidth);
      }
    } else if (levels_[l].cpu.size() < padded(size)) {
      levels_[l].cpu.resize(padded(size), lanes::kNothing);
      levels_[l].memory.resize(padded(size), lanes::kNothing);
    }
  }
}

void FitTree::set(std::uint32_t block, std::int32_t cpu, std::int32_t memory) {
  std::size_t at = block;
  for (std::size_t l = 0;; ++l) {
    Level& level = levels_[l];
    if (level.cpu[at] == cpu && level.memory[at] == memory) return;
    level.cpu[at] = cpu;
    level.memory[at] = memory;
    if (l + 1 == levels_.size()) return;
    at /= lanes::kWidth;
    cpu = lanes::greatest(level.cpu.data() + at * lanes::kWidth);
    memory = lanes::greatest(level.memory.data() + at * lanes::kWidth);
  }
}

std::size_t FitTree::bytes() const {
  std::size_t out = 0;
  for (const Level& level : levels_) {
    out += (level.cpu.capacity() + level.memory.capacity()) * sizeof(std::int32_t);
  }
  return out;
}

FitSearch::FitSearch(const FitTree& tree, const FitQuestion& question, std::uint32_t from,
                     const CountTree* counts, std::int32_t count_end)
    : tree_(tree),
      question_(question),
      counts_(counts),
      count_end_(count_end),
      top_(tree.levels_.size()) {
  // The path down to `from`, with what lies right of it still to come.
  std::uint32_t at = from;
  for (std::size_t level = 0; level <= top_; ++level) {
    const std::uint32_t within = at % lanes::kWidth;
    blocks_[level] = at / lanes::kWidth;
    const std::uint32_t rest = level == 0 ? 0xFFFFu << within : 0xFFFEu << within;
    hints_[level] = look(level, blocks_[level]) & rest & 0xFFFFu;
    at /= lanes::kWidth;
  }
}

std::uint32_t FitSearch::look(std::size_t level, std::uint32_t block) {
  ++steps_;
  const std::size_t at = std::size_t{block} * lanes::kWidth;
  const auto* cpu = question_.cpu;
  const auto* memory = question_.memory;
  if (level > 0) {
    cpu = tree_.levels_[level - 1].cpu.data();
    memory = tree_.levels_[level - 1].memory.data();
  }
  std::uint32_t out =
      lanes::at_least(cpu + at, question_.least_cpu, memory + at, question_.least_memory);
  if (counts_ != nullptr && out != 0) out &= lanes::below(counts_->level(level) + at, count_end_);
  return out;
}

std::uint32_t FitSearch::next() {
  while (true) {
    if (hints_[level_] == 0) {
      if (level_ == top_) return kNone;
      ++level_;
      continue;
    }
    const auto lowest = static_cast<std::uint32_t>(std::countr_zero(hints_[level_]));
    hints_[level_] &= hints_[level_] - 1;
    const std::uint32_t entry = blocks_[level_] * lanes::kWidth + lowest;
    // The end may have come down since this was a hint.
    if (counts_ != nullptr && counts_->level(level_)[entry] >= count_end_) continue;
    if (level_ == 0) return entry;
    --level_;
    blocks_[level_] = entry;
    hints_[level_] = look(level_, entry);
  }
}

}  // namespace berth::placement
