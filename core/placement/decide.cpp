// SPDX-License-Identifier: Apache-2.0
#include "core/placement/decide.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "core/placement/dice.hpp"

namespace berth::placement {
namespace {

constexpr std::size_t kMostTies = 4096;
// So many nodes are looked at one block after the other before a tree is asked: a tree that is
// asked seldom has much to catch up with.
constexpr std::uint32_t kNodesInARow = 8192;
// Of these, those that offer enough and fail another check.
constexpr std::uint32_t kMissesInARow = 64;
// Where the indexes did not help they most likely do not help the next times either.
constexpr std::uint8_t kScansAfterOne = 15;

}  // namespace

std::optional<std::uint32_t> Decider::decide(Compiled& compiled, std::uint64_t dice) {
  if (books_.node_end() == 0) return std::nullopt;
  ++statistics_.decisions;
  books_.prefetch_booking(compiled.first_plan.kind, compiled.group);
  refresh_verdicts(compiled, books_);
  if (compiled.route.kind == Route::Kind::Scored) {
    if (compiled.route.rest > 0) ++statistics_.scans;
    return scored_.decide(compiled, indexes_.columns(), dice);
  }
  if (compiled.route.probes) {
    // Seldom needed, and then all at once, were it not kept up here.
    static_cast<void>(indexes_.columns());
    if (const auto node = probe(compiled, dice)) return node;
    if (const auto node = next_in_a_row(compiled, roll(dice, kProbes, books_.node_end())))
      return node;
  }
  if (compiled.route.one_pass && books_.node_end() <= options_.scan_up_to_nodes) {
    const Scan::Decision decision = scan_.decide_in_one_pass(
        compiled, books_, indexes_.columns(), {.dice = dice, .passes_all = passes_all(compiled)});
    if (decision.is_made) {
      ++statistics_.scans;
      ++statistics_.one_pass;
      return decision.node;
    }
  }
  if (compiled.route.kind == Route::Kind::Indexed) {
    if (compiled.scans_next > 0) {
      --compiled.scans_next;
    } else {
      budget_ = 64 + static_cast<std::int64_t>(books_.padded() / 64);
      const Outcome outcome = search(compiled, dice);
      if (outcome == Outcome::Found) return found_;
      if (outcome == Outcome::None) return std::nullopt;
      compiled.scans_next = kScansAfterOne;
    }
  }
  ++statistics_.scans;
  if (compiled.counts_instances) static_cast<void>(keep_counts(compiled));
  return scan_.decide(compiled, books_, indexes_.columns(),
                      {.dice = dice, .passes_all = passes_all(compiled)});
}

// Whether cpu and memory alone decide, whatever the node's class.
bool Decider::passes_all(Compiled& compiled) const {
  if (compiled.all_seen_classes == compiled.seen_classes) return compiled.passes_all;
  compiled.all_seen_classes = compiled.seen_classes;
  compiled.passes_all = compiled.plan_count == 1 && compiled.first_plan.is_all;
  const NodeClasses& classes = books_.classes();
  for (std::uint32_t number = 0; number < classes.end() && compiled.passes_all; ++number) {
    if (classes.nodes_of(number) == 0) continue;
    std::uint8_t verdict = compiled.verdicts.of(number);
    if (verdict == Verdicts::kUnknown) verdict = find_verdict(compiled, books_, number);
    compiled.passes_all = verdict == verdict_for(0);
  }
  return compiled.passes_all;
}

// The first of a few single nodes that passes: where a fair share of the nodes does, nothing needs
// to be searched.
std::optional<std::uint32_t> Decider::probe(Compiled& compiled, std::uint64_t dice) {
  for (std::uint32_t i = 0; i < kProbes; ++i) {
    const std::uint32_t node = roll(dice, i, books_.node_end());
    for (std::size_t p = 0; p < compiled.plan_count; ++p) {
      const PlanFloors& plan = compiled.floors(p);
      if (books_.cpu_offer(node) >= plan.cpu && books_.memory_offer(node) >= plan.memory &&
          passes_beside_offers(compiled, p, books_, node))
        return node;
    }
  }
  return std::nullopt;
}

// The first at or after `start` that passes, if it is one of the next few thousand nodes.
std::optional<std::uint32_t> Decider::next_in_a_row(Compiled& compiled, std::uint32_t start) {
  const NodeColumns& columns = indexes_.columns();
  const std::uint32_t end = std::min(start + kNodesInARow, books_.node_end());
  std::uint32_t misses = 0;
  for (std::uint32_t block = start / lanes::kWidth; block * lanes::kWidth < end; ++block) {
    const std::uint32_t base = block * lanes::kWidth;
    std::uint32_t found = UINT32_MAX;
    for (std::size_t p = 0; p < compiled.plan_count; ++p) {
      const PlanFloors& plan = compiled.floors(p);
      std::uint32_t hints =
          lanes::at_least(columns.cpu() + base, plan.cpu, columns.memory() + base, plan.memory);
      if (base < start) hints &= ~0U << (start - base);
      for (; hints != 0; hints &= hints - 1) {
        const std::uint32_t node = base + static_cast<std::uint32_t>(std::countr_zero(hints));
        if (node >= found) break;
        if (passes_beside_offers(compiled, p, books_, node)) {
          found = node;
        } else if (++misses > kMissesInARow) {
          return std::nullopt;
        }
      }
    }
    if (found != UINT32_MAX) return found;
  }
  return std::nullopt;
}

bool Decider::spend(std::uint32_t steps) {
  budget_ -= steps;
  return budget_ >= 0;
}

bool Decider::keep_counts(const Compiled& compiled) {
  const Tally& tally = books_.tally();
  if (tally.counts(compiled.counted) != nullptr) return true;
  const std::size_t bytes = books_.padded() * 9 / 2;
  if (tally.counts_bytes() + bytes > options_.counts_cap_bytes) return false;
  books_.keep_counts(compiled.counted_kind, compiled.counted);
  return true;
}

FitQuestion Decider::fit_question(const Compiled& compiled, std::size_t plan, const FitIndex& index,
                                  std::uint8_t part) {
  const NodeColumns& columns = indexes_.columns();
  const PlanFloors& floors = compiled.floors(plan);
  return {.cpu = columns.cpu(),
          .memory = columns.memory(),
          .least_cpu = floors.cpu,
          .least_memory = floors.memory,
          .part_of = index.part_of(),
          .part = part};
}

// Its class is asked first: the index has it at hand, the rest of the node is far.
bool Decider::passes(Compiled& compiled, std::size_t plan, const Field& field, std::uint32_t node,
                     std::uint32_t node_class) {
  if (verdict_of_class(compiled, books_, node_class) != verdict_for(plan)) return false;
  books_.prefetch(node);
  if (!compiled.floors(plan).is_all && !passes_the_rest(compiled, plan, books_, node)) return false;
  return field.only_count < 0 || books_.count(compiled.counted_kind, compiled.counted, node) ==
                                     static_cast<std::uint32_t>(field.only_count);
}

bool Decider::passes(Compiled& compiled, std::size_t plan, const Field& field, Labelled which) {
  const bool is_later = which.label == OrderIndex::kLaterClass;
  return passes(compiled, plan, field, which.node,
                is_later ? books_.class_number(which.node) : which.label);
}

// Value by value from the least tasks on, those with as many together.
Decider::Outcome Decider::search(Compiled& compiled, std::uint64_t dice) {
  const Route& route = compiled.route;
  static constexpr std::array<std::uint8_t, 1> kAll = {0};
  if (!route.spread) return search_field(compiled, {.parts = kAll}, dice);
  const Tally::Slot slot = *route.spread;
  const std::uint32_t values = books_.tally().values(slot).end();
  if (values > kMostParts) return Outcome::Exhausted;
  std::array<std::uint8_t, kMostParts> parts{};
  std::array<std::int32_t, kMostParts> tasks{};
  for (std::uint32_t value = 0; value < values; ++value) {
    const std::int32_t count = books_.tally().of_value(compiled.counted, slot, value);
    std::uint32_t at = value;
    for (; at > 0 && tasks[at - 1] > count; --at) {
      tasks[at] = tasks[at - 1];
      parts[at] = parts[at - 1];
    }
    tasks[at] = count;
    parts[at] = static_cast<std::uint8_t>(value);
  }
  for (std::uint32_t begin = 0; begin < values;) {
    std::uint32_t end = begin + 1;
    while (end < values && tasks[end] == tasks[begin]) ++end;
    const Outcome outcome = search_field(
        compiled, {.parting = slot, .parts = Parts(parts).subspan(begin, end - begin)}, dice);
    if (outcome != Outcome::None) return outcome;
    begin = end;
  }
  return Outcome::None;
}

Decider::Outcome Decider::search_field(Compiled& compiled, Field field, std::uint64_t dice) {
  const Route& route = compiled.route;
  if (route.spread_instance) {
    const Outcome outcome = least_count(compiled, field, field.only_count);
    if (outcome != Outcome::Found || route.last == Route::Last::First) return outcome;
  }
  switch (route.last) {
    case Route::Last::First:
      return first_fit(compiled, field, 0);
    case Route::Last::Random:
      return first_fit(compiled, field, roll(dice, kProbes, books_.node_end()));
    case Route::Last::Binpack:
      return binpack(compiled, field, dice);
  }
  return Outcome::Exhausted;
}

// The first node at or after `start`, going round.
Decider::Outcome Decider::first_fit(Compiled& compiled, const Field& field, std::uint32_t start) {
  const FitIndex& index = indexes_.fit(field.parting);
  const PendingNodes& pending = index.pending();
  const std::int32_t* classes = indexes_.columns().node_class();
  const auto class_of = [&](std::uint32_t node) {
    return static_cast<std::uint32_t>(classes[node]);
  };
  found_ = kNone;
  std::uint32_t from = start;
  std::uint32_t end = books_.node_end();
  while (true) {
    for (const std::uint8_t part : field.parts) {
      for (std::size_t p = 0; part < index.parts() && p < compiled.plan_count; ++p) {
        FitSearch search(index.tree(part), fit_question(compiled, p, index, part), from);
        std::uint32_t node = search.next();
        for (; node < std::min(found_, end) && !passes(compiled, p, field, node, class_of(node));
             node = search.next()) {
          if (budget_ < search.steps() || !spend(1)) return Outcome::Exhausted;
        }
        if (!spend(search.steps())) return Outcome::Exhausted;
        if (node < end) found_ = std::min(found_, node);
        const PlanFloors& plan = compiled.floors(p);
        std::uint64_t hints = pending.with_at_least(plan.cpu, plan.memory, part);
        if (hints != 0) hints &= pending.nodes_not_above(std::min(found_, end - 1));
        for (; hints != 0; hints &= hints - 1) {
          node = pending.node(static_cast<std::uint32_t>(std::countr_zero(hints)));
          if (node >= from && node < std::min(found_, end) &&
              passes(compiled, p, field, node, class_of(node)))
            found_ = node;
        }
      }
    }
    if (found_ != kNone) return Outcome::Found;
    if (from == 0) return Outcome::None;
    end = from;
    from = 0;
  }
}

// The fewest tasks of the set that a node which passes runs; such a node is found_, the first one.
Decider::Outcome Decider::least_count(Compiled& compiled, Field field, std::int32_t& count) {
  // Where few nodes run the set, most likely one that runs none passes.
  const bool many = books_.tally().tasks(compiled.counted) * std::size_t{4} > books_.node_count();
  if (!many && books_.tally().counts(compiled.counted) == nullptr) {
    field.only_count = 0;
    const Outcome outcome = first_fit(compiled, field, 0);
    count = 0;
    if (outcome == Outcome::Found) return outcome;
    budget_ = 64 + static_cast<std::int64_t>(books_.padded() / 64);
    field.only_count = -1;
  }
  if (!keep_counts(compiled)) return Outcome::Exhausted;
  // Most likely the answer is what it was last time.
  const std::int32_t usual = compiled.usual_count + 1;
  Outcome outcome = least_kept_count(compiled, field, count, usual);
  if (outcome == Outcome::None) outcome = least_kept_count(compiled, field, count, INT32_MAX);
  if (outcome == Outcome::Found) compiled.usual_count = count;
  return outcome;
}

// Looks only for nodes that run fewer than `end`.
Decider::Outcome Decider::least_kept_count(Compiled& compiled, const Field& field,
                                           std::int32_t& count, std::int32_t end) {
  const FitIndex& index = indexes_.fit(field.parting);
  const PendingNodes& pending = index.pending();
  const std::int32_t* classes = indexes_.columns().node_class();
  const auto class_of = [&](std::uint32_t node) {
    return static_cast<std::uint32_t>(classes[node]);
  };
  const CountTree& counts = *books_.tally().counts(compiled.counted);
  found_ = kNone;
  count = end;
  for (const std::uint8_t part : field.parts) {
    for (std::size_t p = 0; part < index.parts() && p < compiled.plan_count; ++p) {
      // As many as the best so far will do on a node before it.
      FitSearch search(index.tree(part), fit_question(compiled, p, index, part), 0, &counts,
                       found_ == kNone ? count : count + 1);
      for (std::uint32_t node = search.next(); node != FitSearch::kNone; node = search.next()) {
        if (budget_ < search.steps() || !spend(1)) return Outcome::Exhausted;
        const std::int32_t here = counts.of(node);
        if (!passes(compiled, p, field, node, class_of(node))) continue;
        if (std::pair(here, node) < std::pair(count, found_)) {
          count = here;
          found_ = node;
        }
        if (count == 0) break;
        search.lower_count_end(count);
      }
      if (!spend(search.steps())) return Outcome::Exhausted;
      const PlanFloors& plan = compiled.floors(p);
      for (std::uint64_t hints = pending.with_at_least(plan.cpu, plan.memory, part); hints != 0;
           hints &= hints - 1) {
        const std::uint32_t node =
            pending.node(static_cast<std::uint32_t>(std::countr_zero(hints)));
        const std::int32_t here = counts.of(node);
        const bool is_better = here < count || (here == count && found_ != kNone && node < found_);
        if (!is_better || !passes(compiled, p, field, node, class_of(node))) continue;
        count = here;
        found_ = node;
      }
    }
  }
  return found_ == kNone ? Outcome::None : Outcome::Found;
}

Decider::Outcome Decider::binpack(Compiled& compiled, const Field& field, std::uint64_t dice) {
  const ColumnId key = compiled.route.key;
  const OrderIndex& index = indexes_.order(key, field.parting);
  const PendingNodes& pending = index.pending();
  const bool by_cpu = key == kCpuColumn;
  found_ = kNone;
  std::int32_t least = INT32_MAX;
  for (const std::uint8_t part : field.parts) {
    for (std::size_t p = 0; part < index.parts() && p < compiled.plan_count; ++p) {
      const PlanFloors& plan = compiled.floors(p);
      OrderSearch search(index.tree(part), {.least_key = by_cpu ? plan.cpu : plan.memory,
                                            .least_other = by_cpu ? plan.memory : plan.cpu});
      while (search.next() && std::pair(search.key(), search.node()) < std::pair(least, found_)) {
        if (pending.contains(search.node())) continue;  // they are few
        if (passes(compiled, p, field, {search.node(), search.label()})) {
          least = search.key();
          found_ = search.node();
          break;
        }
        if (budget_ < search.steps() || !spend(1)) return Outcome::Exhausted;
      }
      if (!spend(search.steps())) return Outcome::Exhausted;
      std::uint64_t hints = pending.with_at_least(plan.cpu, plan.memory, part);
      if (hints == 0) continue;
      hints &= by_cpu ? pending.cpu_not_above(least) : pending.memory_not_above(least);
      for (; hints != 0; hints &= hints - 1) {
        const auto at = static_cast<std::uint32_t>(std::countr_zero(hints));
        const std::int32_t here = by_cpu ? pending.cpu(at) : pending.memory(at);
        const std::uint32_t node = pending.node(at);
        if (std::pair(here, node) < std::pair(least, found_) &&
            passes(compiled, p, field, {node, pending.label(at)})) {
          least = here;
          found_ = node;
        }
      }
    }
  }
  if (found_ == kNone) return Outcome::None;
  if (!compiled.route.breaks_ties) return Outcome::Found;
  return among_ties(compiled, field, least, dice);
}

Decider::Outcome Decider::among_ties(Compiled& compiled, const Field& field, std::int32_t key,
                                     std::uint64_t dice) {
  const bool by_cpu = compiled.route.key == kCpuColumn;
  const OrderIndex& index = indexes_.order(compiled.route.key, field.parting);
  const PendingNodes& pending = index.pending();
  ties_.clear();
  for (const std::uint8_t part : field.parts) {
    for (std::size_t p = 0; part < index.parts() && p < compiled.plan_count; ++p) {
      const PlanFloors& plan = compiled.floors(p);
      if (key < (by_cpu ? plan.cpu : plan.memory)) continue;
      OrderSearch search(index.tree(part),
                         {.least_key = key, .least_other = by_cpu ? plan.memory : plan.cpu});
      while (search.next() && search.key() == key) {
        if (!pending.contains(search.node()) &&
            passes(compiled, p, field, {search.node(), search.label()}))
          ties_.push_back(search.node());
        if (ties_.size() > kMostTies || budget_ < search.steps() || !spend(1))
          return Outcome::Exhausted;
      }
      if (!spend(search.steps())) return Outcome::Exhausted;
      std::uint64_t hints =
          pending.with_at_least(by_cpu ? key : plan.cpu, by_cpu ? plan.memory : key, part) &
          (by_cpu ? pending.cpu_not_above(key) : pending.memory_not_above(key));
      for (; hints != 0; hints &= hints - 1) {
        const auto at = static_cast<std::uint32_t>(std::countr_zero(hints));
        if (passes(compiled, p, field, {pending.node(at), pending.label(at)}))
          ties_.push_back(pending.node(at));
      }
    }
  }
  std::sort(ties_.begin(), ties_.end());
  found_ = narrow(ties_, compiled, compiled.route.rest, books_, dice);
  return Outcome::Found;
}

}  // namespace berth::placement
