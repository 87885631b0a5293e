// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_tree.hpp"

#include <algorithm>

namespace berth::placement {
namespace {

constexpr std::size_t blocks_of(std::size_t entries) {
  return (entries + lanes::kWidth - 1) / lanes::kWidth;
}

}  // namespace

void FitTree::resize(std::size_t nodes) {
  std::size_t entries = blocks_of(nodes);
  for (std::size_t l = 0; l == 0 || entries > lanes::kWidth; ++l) {
    if (l > 0) entries = blocks_of(entries);
    const std::size_t size = blocks_of(entries) * steps_;
    if (l < levels_.size()) {
      if (levels_[l].size() < size) levels_[l].resize(size);
      continue;
    }
    levels_.emplace_back(size);
    if (l == 0) continue;
    const std::vector<Row>& below = levels_[l - 1];
    for (std::size_t i = 0; i < below.size(); ++i) {
      const std::size_t block = i / steps_;
      Row& row = levels_[l][block / lanes::kWidth * steps_ + i % steps_];
      row.most[block % lanes::kWidth] = lanes::greatest(below[i].most);
    }
  }
}

// A plain loop over all steps, which compilers make vectors of.
void FitTree::raise(Most& most, FitCode node) const {
  for (std::uint32_t step = 0; step < FitSteps::kMost; ++step) {
    const auto here = static_cast<std::int16_t>(node.cpu >= codes_[step] ? node.memory : 0);
    most[step] = std::max(most[step], here);
  }
}

void FitTree::set(std::uint32_t block, const FitCode* nodes, std::uint32_t members) {
  Most most{};
  for (; members != 0; members &= members - 1) raise(most, nodes[std::countr_zero(members)]);
  put(block, most);
}

void FitTree::change(std::uint32_t block, FitCode before, FitCode now, const FitCode* nodes,
                     std::uint32_t members) {
  if (before == now) return;
  const Row* rows = levels_[0].data() + std::size_t{block} / lanes::kWidth * steps_;
  Most most{};
  for (std::uint32_t step = 0; step < steps_; ++step)
    most[step] = rows[step].most[block % lanes::kWidth];
  Most old{};
  Most made{};
  raise(old, before);
  raise(made, now);
  // Where it was the one with the most and fell, the next one is looked for.
  bool fell = false;
  for (std::uint32_t step = 0; step < FitSteps::kMost; ++step) {
    fell |= (old[step] == most[step]) & (made[step] < old[step]);
    most[step] = std::max(most[step], made[step]);
  }
  if (fell) {
    set(block, nodes, members);
  } else {
    put(block, most);
  }
}

void FitTree::prefetch(std::uint32_t block) const {
  const std::size_t at = std::size_t{block} / lanes::kWidth * steps_;
  if (levels_.empty() || at >= levels_[0].size()) return;
  for (std::size_t step = 0; step < steps_; step += 64 / sizeof(Row))
    lanes::prefetch(levels_[0].data() + at + step);
}

void FitTree::put(std::uint32_t block, const Most& most) {
  std::size_t at = block / lanes::kWidth;
  std::size_t within = block % lanes::kWidth;
  Row* rows = levels_[0].data() + at * steps_;
  std::uint32_t changed = 0;
  for (std::uint32_t step = 0; step < steps_; ++step) {
    changed |= std::uint32_t{rows[step].most[within] != most[step]} << step;
    rows[step].most[within] = most[step];
  }
  for (std::size_t l = 1; l < levels_.size() && changed != 0; ++l) {
    within = at % lanes::kWidth;
    at /= lanes::kWidth;
    Row* above = levels_[l].data() + at * steps_;
    for (std::uint32_t left = changed; left != 0; left &= left - 1) {
      const auto step = static_cast<std::uint32_t>(std::countr_zero(left));
      const std::int16_t greatest = lanes::greatest(rows[step].most);
      if (above[step].most[within] == greatest) changed &= ~(1u << step);
      above[step].most[within] = greatest;
    }
    rows = above;
  }
}

std::size_t FitTree::bytes() const {
  std::size_t out = 0;
  for (const std::vector<Row>& level : levels_) out += level.capacity() * sizeof(Row);
  return out;
}

FitSearch::FitSearch(const FitTree& tree, const FitQuestion& question, std::uint32_t from,
                     const CountTree* counts, std::int32_t count_end)
    : tree_(tree),
      question_(question),
      least_code_(code_of(question.least_memory)),
      counts_(counts),
      count_end_(count_end),
      top_(tree.levels_.size()) {
  const std::int16_t cpu_code = code_of(question.least_cpu);
  while (step_ + 1 < tree.steps_ && tree.codes_[step_ + 1] <= cpu_code) ++step_;
  if (from == 0) {  // the first nodes are the fullest, mostly: nothing to gain down there
    level_ = top_;
    hints_[top_] = look(top_, 0);
    return;
  }
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
  std::uint32_t out = 0;
  if (level == 0) {
    out = lanes::at_least(question_.cpu + at, question_.least_cpu, question_.memory + at,
                          question_.least_memory);
    if (question_.part_of != nullptr) out &= lanes::equal(question_.part_of + at, question_.part);
  } else {
    out = lanes::at_least(tree_.rows(level - 1, block)[step_].most, least_code_);
  }
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
