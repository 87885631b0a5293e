// SPDX-License-Identifier: Apache-2.0
#include "core/placement/score_table.hpp"

#include <algorithm>

namespace berth::placement {
namespace {

constexpr std::size_t kShortestLog = 4096;

}  // namespace

ScoreTable::ScoreTable(std::size_t nodes, std::size_t cap_bytes) : cap_bytes_(cap_bytes) {
  resize(nodes);
}

void ScoreTable::resize(std::size_t nodes) {
  nodes_ = nodes;
  rows_.clear();
  last_change_.resize(nodes);
  level_begins_ = {0};
  for (std::size_t size = nodes;; size = (size + kWidth - 1) / kWidth) {
    const std::size_t padded = std::max(size + kWidth - 1, kWidth) / kWidth * kWidth;
    level_begins_.push_back(level_begins_.back() + padded);
    if (padded == kWidth) return;
  }
}

void ScoreTable::changed(std::uint32_t node) {
  // Who is so far behind looks at all nodes as fast as at the log.
  if (log_.size() >= std::max(kShortestLog, nodes_ / 2)) {
    begin_ += log_.size();
    log_.clear();
  }
  last_change_[node] = begin_ + log_.size();
  log_.push_back(node);
}

std::size_t ScoreTable::bytes() const {
  const std::size_t row = level_begins_.back() * sizeof(std::int32_t) + sizeof(Row);
  return rows_.size() * row;
}

std::size_t ScoreTable::log_bytes() const {
  return log_.capacity() * sizeof(std::uint32_t) + last_change_.capacity() * sizeof(std::uint64_t);
}

// Null where one row is above the cap.
ScoreTable::Row* ScoreTable::row_of(std::uint32_t kind) {
  ++asked_;
  const auto found = rows_.find(kind);
  if (found != rows_.end()) {
    found->second.asked = asked_;
    return &found->second;
  }
  const std::size_t most_rows =
      cap_bytes_ / (level_begins_.back() * sizeof(std::int32_t) + sizeof(Row));
  if (most_rows == 0) return nullptr;
  if (rows_.size() >= most_rows) {
    rows_.erase(
        std::ranges::min_element(rows_, {}, [](const auto& entry) { return entry.second.asked; }));
  }
  return &rows_.emplace(kind, Row{.scores = {}, .asked = asked_}).first->second;
}

void ScoreTable::build(Row& row, const ScoreOf& score_of) const {
  row.scores.assign(level_begins_.back(), kNever);
  for (std::uint32_t node = 0; node < nodes_; ++node) row.scores[node] = score_of(node);
  for (std::size_t level = 0; level + 2 < level_begins_.size(); ++level) {
    const auto begin = row.scores.begin() + static_cast<std::ptrdiff_t>(level_begins_[level]);
    const std::size_t blocks = (level_begins_[level + 1] - level_begins_[level]) / kWidth;
    for (std::size_t block = 0; block < blocks; ++block) {
      const auto first = begin + static_cast<std::ptrdiff_t>(block * kWidth);
      row.scores[level_begins_[level + 1] + block] = *std::max_element(first, first + kWidth);
    }
  }
}

void ScoreTable::set(Row& row, std::uint32_t node, std::int32_t score) const {
  std::size_t at = node;
  for (std::size_t level = 0;; ++level) {
    std::int32_t* scores = row.scores.data() + level_begins_[level];
    const std::int32_t before = scores[at];
    if (before == score) return;
    scores[at] = score;
    if (level + 2 == level_begins_.size()) return;
    const std::size_t block = at / kWidth;
    const std::int32_t best = row.scores[level_begins_[level + 1] + block];
    if (score < best) {
      if (before < best) return;
      score = *std::max_element(scores + block * kWidth, scores + (block + 1) * kWidth);
    }
    at = block;
  }
}

void ScoreTable::refresh(Row& row, const ScoreOf& score_of) const {
  const std::uint64_t now = begin_ + log_.size();
  if (row.scores.empty() || row.seen < begin_) {
    build(row, score_of);
  } else {
    for (std::uint64_t change = row.seen; change < now; ++change) {
      const std::uint32_t node = log_[change - begin_];
      if (last_change_[node] == change) set(row, node, score_of(node));
    }
  }
  row.seen = now;
}

std::optional<ScoreTable::Best> ScoreTable::best_of(const Row& row) const {
  std::size_t block = 0;
  for (std::size_t level = level_begins_.size() - 1; level-- > 0;) {
    const auto first =
        row.scores.begin() + static_cast<std::ptrdiff_t>(level_begins_[level] + block * kWidth);
    const auto best = std::max_element(first, first + kWidth);
    if (*best == kNever) return std::nullopt;
    block = block * kWidth + static_cast<std::size_t>(best - first);
  }
  return Best{.score = row.scores[block], .node = static_cast<std::uint32_t>(block)};
}

std::optional<ScoreTable::Best> ScoreTable::best(std::uint32_t kind, const ScoreOf& score_of) {
  if (Row* row = row_of(kind)) {
    refresh(*row, score_of);
    return best_of(*row);
  }
  std::optional<Best> best;
  for (std::uint32_t node = 0; node < nodes_; ++node) {
    const std::int32_t score = score_of(node);
    if (score != kNever && (!best || score > best->score)) best = {score, node};
  }
  return best;
}

std::vector<std::uint32_t> ScoreTable::best_nodes(std::uint32_t kind, const ScoreOf& score_of) {
  std::vector<std::uint32_t> out;
  Row* row = row_of(kind);
  if (row == nullptr) {
    std::int32_t best = kNever;
    for (std::uint32_t node = 0; node < nodes_; ++node) {
      const std::int32_t score = score_of(node);
      if (score == kNever || score < best) continue;
      if (score > best) out.clear();
      best = score;
      out.push_back(node);
    }
    return out;
  }
  refresh(*row, score_of);
  const std::optional<Best> best = best_of(*row);
  if (!best) return out;
  // Down the tree, through the blocks that hold one of the best.
  std::vector<std::uint32_t> blocks = {0};
  for (std::size_t level = level_begins_.size() - 1; level-- > 0;) {
    out.clear();
    for (const std::uint32_t block : blocks) {
      const std::int32_t* scores = row->scores.data() + level_begins_[level] + block * kWidth;
      for (std::uint32_t i = 0; i < kWidth; ++i) {
        if (scores[i] == best->score) out.push_back(block * static_cast<std::uint32_t>(kWidth) + i);
      }
    }
    std::swap(out, blocks);
  }
  return blocks;
}

const std::int32_t* ScoreTable::scores(std::uint32_t kind, const ScoreOf& score_of) {
  Row* row = row_of(kind);
  if (row == nullptr) return nullptr;
  refresh(*row, score_of);
  return row->scores.data();
}

}  // namespace berth::placement
