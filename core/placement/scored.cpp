// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scored.hpp"

#include <algorithm>
#include <utility>

#include "core/placement/lanes.hpp"

namespace berth::placement {
namespace {

// So few nodes are scored faster than a row is brought up to date.
constexpr std::size_t kFew = 16;
// As the table's own log: to forget the nodes means to make all rows anew.
constexpr std::size_t kShortestLog = 4096;

}  // namespace

Scored::Scored(Books& books, Scan& scan, ScoredOptions options)
    : books_(books),
      scan_(scan),
      scorer_(books, std::move(options.device_type)),
      table_(0, options.cache_bytes) {}

Scored::~Scored() {
  if (watches_) books_.unwatch(&dirty_);
}

void Scored::catch_up() {
  // Who never decides by scores pays nothing for them.
  if (!watches_) books_.watch(&dirty_);
  watches_ = true;
  scorer_.refresh();
  if (books_.node_end() > table_.nodes()) {
    // With room, so that nodes that come one by one do not cost all rows each time.
    table_.resize(books_.padded() * 5 / 4);
  } else if (dirty_.all()) {
    table_.resize(table_.nodes());
  } else {
    for (const std::uint32_t node : dirty_.nodes()) table_.changed(node);
  }
  dirty_.clear(std::max<std::size_t>(kShortestLog, books_.node_end() / 2));
}

std::uint32_t Scored::row_of(Compiled& compiled, std::size_t strategy) {
  ScoredRequest::Row& row = compiled.scored->rows[strategy];
  const std::uint64_t now = scorer_.generation(compiled.strategies[strategy]);
  if (row.kind == 0) row.kind = next_row_++;
  if (row.generation != now) table_.forget(row.kind);
  row.generation = now;
  return row.kind;
}

ScoreTable::ScoreOf Scored::score_of(Compiled& compiled, std::size_t strategy) const {
  return [this, &compiled, strategy](std::uint32_t node) {
    if (node >= books_.node_end()) return ScoreTable::kNever;
    // Nodes that take no tasks offer less than any floor; their class may mean nothing.
    const std::int32_t cpu = books_.cpu_offer(node);
    if (cpu == lanes::kNothing) return ScoreTable::kNever;
    const std::uint8_t verdict = verdict_of(compiled, books_, node);
    if (verdict < Verdicts::kFirstPlan) return ScoreTable::kNever;
    const std::size_t plan = verdict - Verdicts::kFirstPlan;
    const PlanFloors& floors = compiled.floors(plan);
    const bool passes = cpu >= floors.cpu && books_.memory_offer(node) >= floors.memory &&
                        (floors.is_all || passes_the_rest(compiled, plan, books_, node));
    return passes ? scorer_.score(compiled, strategy, plan, node) : ScoreTable::kNever;
  };
}

void Scored::keep_best(std::vector<std::uint32_t>& nodes, Compiled& compiled,
                       std::size_t strategy) {
  const ScoreTable::ScoreOf score_here = score_of(compiled, strategy);
  const std::int32_t* known =
      nodes.size() <= kFew ? nullptr : table_.scores(row_of(compiled, strategy), score_here);
  scores_.clear();
  for (const std::uint32_t node : nodes)
    scores_.push_back(known == nullptr ? score_here(node) : known[node]);
  const std::int32_t best = *std::ranges::max_element(scores_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (scores_[i] == best) nodes[kept++] = nodes[i];
  }
  nodes.resize(kept);
}

std::optional<std::uint32_t> Scored::decide(Compiled& compiled, const NodeColumns& columns,
                                            std::uint64_t dice) {
  catch_up();
  const auto& strategies = compiled.strategies;
  const std::size_t first = compiled.route.rest;
  if (first == 0 && strategies.size() == 1) {
    const auto best = table_.best(row_of(compiled, 0), score_of(compiled, 0));
    return best ? std::optional(best->node) : std::nullopt;
  }
  std::vector<std::uint32_t> nodes =
      first > 0 ? scan_.leave(compiled, first, books_, columns)
                : table_.best_nodes(row_of(compiled, 0), score_of(compiled, 0));
  if (nodes.empty()) return std::nullopt;
  for (std::size_t i = std::max<std::size_t>(first, 1); i < strategies.size() && nodes.size() > 1;
       ++i) {
    if (strategies[i].is_scored()) {
      keep_best(nodes, compiled, i);
    } else {
      narrow_by(nodes, compiled, i, books_, dice);
    }
  }
  return nodes.front();
}

void Scored::drop(const Compiled& compiled) {
  if (compiled.scored == nullptr) return;
  for (const ScoredRequest::Row& row : compiled.scored->rows) table_.forget(row.kind);
  scorer_.drop(*compiled.scored);
}

}  // namespace berth::placement
