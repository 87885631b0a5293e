// SPDX-License-Identifier: Apache-2.0
// Decisions about few nodes, by one pass over their columns.
#include <algorithm>
#include <array>
#include <bit>

#include "core/placement/dice.hpp"
#include "core/placement/scan.hpp"

namespace berth::placement {
namespace {

// So many classes fit into a register.
constexpr std::uint32_t kFewClasses = 8;
using ByClass = std::array<std::int32_t, kFewClasses>;

bool class_passes(Compiled& compiled, const Books& books, std::uint32_t number) {
  if (books.classes().nodes_of(number) == 0) return false;
  std::uint8_t verdict = compiled.verdicts.of(number);
  if (verdict == Verdicts::kUnknown) verdict = find_verdict(compiled, books, number);
  return verdict == verdict_for(0);
}

// Tasks of the set on nodes with the class's value, of classes that pass; -1 of others. 0 of all
// that pass, where nothing is spread over.
ByClass tasks_by_class(Compiled& compiled, const Books& books) {
  ByClass out;
  out.fill(-1);
  for (std::uint32_t number = 0; number < books.classes().end(); ++number) {
    if (!class_passes(compiled, books, number)) continue;
    out[number] = 0;
    if (!compiled.route.spread) continue;
    const Tally::Slot slot = *compiled.route.spread;
    const std::uint32_t value = books.tally().values(slot).of_class(number);
    out[number] = books.tally().of_value(compiled.counted, slot, value);
  }
  return out;
}

// The least that is above `last`, or INT32_MAX.
std::int32_t next_of(const ByClass& tasks, std::int32_t last) {
  std::int32_t out = INT32_MAX;
  for (const std::int32_t here : tasks) out = here > last ? std::min(out, here) : out;
  return out;
}

}  // namespace

Scan::Decision Scan::decide_in_one_pass(Compiled& compiled, const Books& books,
                                        const NodeColumns& columns, Question question) {
  const PlanFloors& plan = compiled.first_plan;
  ByClass chosen{};
  const std::array<Floor, 3> floors = {{{columns.cpu(), plan.cpu},
                                        {columns.memory(), plan.memory},
                                        {columns.node_class(), 1, chosen.data(), kFewClasses}}};
  if (question.passes_all && !compiled.route.spread)
    return decide_among(compiled, books, columns, std::span(floors).first(2), question.dice);
  if (books.classes().end() > kFewClasses) return {};
  const ByClass tasks = tasks_by_class(compiled, books);
  for (std::int32_t least = next_of(tasks, -1); least != INT32_MAX; least = next_of(tasks, least)) {
    for (std::size_t i = 0; i < kFewClasses; ++i) chosen[i] = tasks[i] == least ? 1 : 0;
    const Decision decision = decide_among(compiled, books, columns, floors, question.dice);
    if (!decision.is_made || decision.node) return decision;
  }
  return {.is_made = true};
}

// Best::kNone: a wide scan has to look.
std::size_t Scan::first_least_narrow(const Compiled& compiled, const NodeColumns& columns) const {
  if (columns.narrow_cpu() == nullptr) return Best::kNone;
  const bool by_cpu = compiled.route.key == kCpuColumn;
  const std::uint16_t cpu = narrow_of(compiled.first_plan.cpu);
  const std::uint16_t memory = narrow_of(compiled.first_plan.memory);
  if (std::max(cpu, memory) == kNarrowMost || std::min(cpu, memory) == 0) return Best::kNone;
  return narrow_({.key = by_cpu ? columns.narrow_cpu() : columns.narrow_memory(),
                  .other = by_cpu ? columns.narrow_memory() : columns.narrow_cpu(),
                  .least_key = by_cpu ? cpu : memory,
                  .least_other = by_cpu ? memory : cpu,
                  .nodes = columns.size()});
}

// Made, too, where no node passes.
Scan::Decision Scan::decide_among(const Compiled& compiled, const Books& books,
                                  const NodeColumns& columns, std::span<const Floor> floors,
                                  std::uint64_t dice) {
  const Route& route = compiled.route;
  const auto made = [](std::size_t node) -> Decision {
    if (node == Best::kNone) return {.is_made = true};
    return {.is_made = true, .node = static_cast<std::uint32_t>(node)};
  };
  if (route.last == Route::Last::Binpack && floors.size() == 2) {
    const std::size_t node = first_least_narrow(compiled, columns);
    if (node != Best::kNone) return made(node);
  }
  if (route.last == Route::Last::Binpack)
    return made(kernels_.first_least(all(columns), floors, {columns.of(route.key)}).node);
  if (route.last == Route::Last::First && !route.spread_instance)
    return made(kernels_.first(all(columns), floors));
  // Where many nodes run the set, most likely none that passes runs none of it.
  if (route.spread_instance &&
      books.tally().tasks(compiled.counted) * std::size_t{4} > books.node_count())
    return {};
  candidates_.assign(columns.size() / 64, 0);
  kernels_.filter(all(columns), floors, candidates_.data());
  if (route.last == Route::Last::Random)
    return {.is_made = true,
            .node = first_from(candidates_, roll(dice, kProbes, books.node_end()))};
  bool any = false;
  for (std::size_t w = 0; w < candidates_.size(); ++w) {
    for (std::uint64_t word = candidates_[w]; word != 0; word &= word - 1) {
      const auto node =
          static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      if (books.count(compiled.counted_kind, compiled.counted, node) == 0) return made(node);
      any = true;
    }
  }
  return {.is_made = !any};
}

}  // namespace berth::placement
