// SPDX-License-Identifier: Apache-2.0
#include "core/placement/decide.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace berth::placement {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

// SplitMix64's finisher.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// The i-th number of the sequence that `dice` starts, in 0 to below - 1.
std::uint64_t roll(std::uint64_t dice, std::uint32_t i, std::uint64_t below) {
  return mix(mix(dice) + (i + std::uint64_t{1}) * kGolden) % below;
}

bool has(const std::vector<std::uint64_t>& nodes, std::uint32_t node) {
  return (nodes[node / 64] >> (node % 64) & 1) != 0;
}

}  // namespace

void Decider::acquire(const Compiled& compiled) {
  for (const Strategy& strategy : compiled.strategies) {
    if (strategy.kind != Strategy::Kind::SpreadAttribute) continue;
    auto at = spreads_.find(strategy.attribute);
    if (at == spreads_.end())
      at = spreads_.emplace(strategy.attribute, Spread{ValueColumn(strategy.attribute)}).first;
    ++at->second.requests;
  }
}

void Decider::release(const Compiled& compiled) {
  for (const Strategy& strategy : compiled.strategies) {
    if (strategy.kind != Strategy::Kind::SpreadAttribute) continue;
    const auto at = spreads_.find(strategy.attribute);
    if (--at->second.requests == 0) spreads_.erase(at);
  }
}

std::optional<std::uint32_t> Decider::decide(Compiled& compiled, const Books& books,
                                             std::uint64_t dice) {
  if (books.node_end() == 0) return std::nullopt;
  refresh_lasting(compiled, books);
  tasks_of_node_.resize(books.padded());
  if (compiled.strategies.front().kind == Strategy::Kind::Random) {
    if (const auto node = random_probe(compiled, books, dice)) return node;
  } else if (compiled.strategies.size() == 1) {
    const bool floors_decide =
        std::all_of(compiled.owners.begin(), compiled.owners.end(),
                    [](const OwnerPlan& plan) { return plan.floors_decide_devices; });
    if (floors_decide && !compiled.expressions_read_tasks && !books.has_partitions()) {
      return best_in_one_pass(compiled, books);
    }
  }
  gather_candidates(compiled, books);
  return narrow(compiled, books, dice);
}

// The first of kProbes nodes that passes: at any fill where a fair share of the nodes does, no scan
// is needed.
std::optional<std::uint32_t> Decider::random_probe(const Compiled& compiled, const Books& books,
                                                   std::uint64_t dice) const {
  for (std::uint32_t i = 0; i < kProbes; ++i) {
    const auto node = static_cast<std::uint32_t>(roll(dice, i, books.node_end()));
    for (const OwnerPlan& plan : compiled.owners) {
      if (has(plan.lasting, node) && passes_now(compiled, plan, books, node)) return node;
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Decider::random_among(const Bitmap& nodes, std::uint64_t dice) const {
  const auto end = static_cast<std::uint32_t>(nodes.size() * 64);
  std::uint64_t count = 0;
  for (const std::uint64_t word : nodes) count += static_cast<std::uint64_t>(std::popcount(word));
  if (count == 0) return std::nullopt;
  std::uint64_t rank = roll(dice, kProbes, count);
  for (std::uint32_t w = 0; w * 64 < end; ++w) {
    std::uint64_t word = nodes[w];
    const auto here = static_cast<std::uint64_t>(std::popcount(word));
    if (rank >= here) {
      rank -= here;
      continue;
    }
    for (; rank > 0; --rank) word &= word - 1;
    return w * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  return std::nullopt;
}

std::span<const Floor> Decider::floors_of(const OwnerPlan& plan, const Books& books) {
  floors_.clear();
  for (const OwnerPlan::LeastColumn& floor : plan.floors) {
    floors_.push_back(Floor{books.column(floor.column).free.data(), floor.least});
  }
  return floors_;
}

// What lists of nodes decide: distinctInstance and fixed ports.
void Decider::strike_out(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                         Bitmap& nodes) const {
  const auto strike = [&](std::uint32_t node) {
    nodes[node / 64] &= ~(std::uint64_t{1} << (node % 64));
  };
  if (compiled.distinct_instance) {
    for (const Tally::Count& count : books.tally().nodes_of(compiled.counted)) strike(count.key);
  }
  for (const std::uint32_t port : plan.holding->ports) {
    for (const std::uint32_t node : books.nodes_with_port(port)) strike(node);
  }
}

std::optional<std::uint32_t> Decider::best_in_one_pass(const Compiled& compiled,
                                                       const Books& books) {
  const Strategy& strategy = compiled.strategies.front();
  const Key key = key_of(strategy, compiled, books);
  Best best;
  for (const OwnerPlan& plan : compiled.owners) {
    std::span<const std::uint64_t> nodes = plan.lasting;
    if (compiled.distinct_instance || !plan.holding->ports.empty()) {
      part_ = plan.lasting;
      strike_out(compiled, plan, books, part_);
      nodes = part_;
    }
    const Best found = kernels_.first_least(nodes, floors_of(plan, books), key);
    if (std::pair(found.key, found.node) < std::pair(best.key, best.node)) best = found;
  }
  clear_key(strategy, compiled, books);
  if (best.node == Best::kNone) return std::nullopt;
  return static_cast<std::uint32_t>(best.node);
}

void Decider::gather_candidates(const Compiled& compiled, const Books& books) {
  candidates_.assign(books.padded() / 64, 0);
  for (const OwnerPlan& plan : compiled.owners) {
    part_.assign(plan.lasting.size(), 0);
    kernels_.filter(plan.lasting, floors_of(plan, books), part_.data());
    strike_out(compiled, plan, books, part_);
    const bool one_by_one = compiled.expressions_read_tasks || !plan.floors_decide_devices ||
                            (books.has_partitions() && !plan.needs.devices.empty());
    for (std::size_t w = 0; one_by_one && w < part_.size(); ++w) {
      for (std::uint64_t word = part_[w]; word != 0; word &= word - 1) {
        const auto node =
            static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        if (!passes_one_by_one(compiled, plan, books, node)) part_[w] &= ~(word & ~(word - 1));
      }
    }
    for (std::size_t w = 0; w < part_.size(); ++w) candidates_[w] |= part_[w];
  }
}

std::optional<std::uint32_t> Decider::narrow(const Compiled& compiled, const Books& books,
                                             std::uint64_t dice) {
  for (std::size_t i = 0; i + 1 < compiled.strategies.size(); ++i) {
    const Strategy& strategy = compiled.strategies[i];
    if (strategy.kind == Strategy::Kind::Random) return random_among(candidates_, dice);
    kernels_.keep_least(candidates_, key_of(strategy, compiled, books));
    clear_key(strategy, compiled, books);
  }
  const Strategy& last = compiled.strategies.back();
  if (last.kind == Strategy::Kind::Random) return random_among(candidates_, dice);
  const Best best = kernels_.first_least(candidates_, {}, key_of(last, compiled, books));
  clear_key(last, compiled, books);
  return best.node == Best::kNone ? std::nullopt
                                  : std::optional(static_cast<std::uint32_t>(best.node));
}

Key Decider::key_of(const Strategy& strategy, const Compiled& compiled, const Books& books) {
  const auto counts = books.tally().nodes_of(compiled.counted);
  switch (strategy.kind) {
    case Strategy::Kind::BinpackCpu:
      return Key{books.column(kCpuColumn).free.data()};
    case Strategy::Kind::BinpackMemory:
      return Key{books.column(kMemoryColumn).free.data()};
    case Strategy::Kind::SpreadInstance:
      for (const Tally::Count& count : counts)
        tasks_of_node_[count.key] = static_cast<std::int32_t>(count.tasks);
      return Key{tasks_of_node_.data()};
    case Strategy::Kind::SpreadAttribute: {
      ValueColumn& values = spreads_.find(strategy.attribute)->second.values;
      values.refresh(books);
      tasks_of_value_.resize(std::max(tasks_of_value_.size(), values.value_end()));
      for (const Tally::Count& count : counts) {
        tasks_of_value_[static_cast<std::size_t>(values.of(count.key))] +=
            static_cast<std::int32_t>(count.tasks);
      }
      return Key{values.column(), tasks_of_value_.data()};
    }
    case Strategy::Kind::Random:
      break;
  }
  return Key{tasks_of_node_.data()};
}

void Decider::clear_key(const Strategy& strategy, const Compiled& compiled, const Books& books) {
  const auto counts = books.tally().nodes_of(compiled.counted);
  if (strategy.kind == Strategy::Kind::SpreadInstance) {
    for (const Tally::Count& count : counts) tasks_of_node_[count.key] = 0;
  } else if (strategy.kind == Strategy::Kind::SpreadAttribute) {
    const ValueColumn& values = spreads_.find(strategy.attribute)->second.values;
    for (const Tally::Count& count : counts)
      tasks_of_value_[static_cast<std::size_t>(values.of(count.key))] = 0;
  }
}

}  // namespace berth::placement
