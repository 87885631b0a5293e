// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scan.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "core/placement/dice.hpp"

namespace berth::placement {
namespace {

using Bitmap = std::vector<std::uint64_t>;

template <typename Keep>
void keep_if(Bitmap& nodes, const Keep& keep) {
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    for (std::uint64_t word = nodes[w]; word != 0; word &= word - 1) {
      const auto node =
          static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      if (!keep(node)) nodes[w] &= ~(word & ~(word - 1));
    }
  }
}

}  // namespace

std::optional<std::uint32_t> first_from(std::span<const std::uint64_t> nodes, std::uint32_t start) {
  const std::size_t home = start / 64;
  for (std::size_t i = 0; i <= nodes.size(); ++i) {
    const std::size_t w = (home + i) % nodes.size();
    std::uint64_t word = nodes[w];
    const std::uint64_t after = ~std::uint64_t{0} << (start % 64);
    if (i == 0) word &= after;
    if (i == nodes.size()) word &= ~after;
    if (word != 0)
      return static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }
  return std::nullopt;
}

void Scan::strike_out(Compiled& compiled, std::size_t plan_index, const Books& books,
                      Bitmap& nodes) {
  const OwnerPlan& plan = compiled.owners[plan_index];
  if (compiled.expressions_read_identity) {
    for (std::size_t w = 0; w < nodes.size(); ++w) nodes[w] &= compiled.identities[w];
  }
  for (const std::uint32_t key : plan.ports) {
    for (const std::uint32_t node : books.nodes_with_port(key))
      nodes[node / 64] &= ~(std::uint64_t{1} << (node % 64));
  }
  if (compiled.distinct_instance) {
    keep_if(nodes, [&](std::uint32_t node) {
      return books.count(compiled.counted_kind, compiled.counted, node) == 0;
    });
  }
  if (needs_one_by_one(compiled, plan, books)) {
    keep_if(nodes,
            [&](std::uint32_t node) { return passes_one_by_one(compiled, plan, books, node); });
  }
}

void Scan::gather(Compiled& compiled, const Books& books, const NodeColumns& columns) {
  candidates_.assign(books.padded() / 64, 0);
  for (std::size_t i = 0; i < compiled.owners.size(); ++i) {
    const OwnerPlan& plan = compiled.owners[i];
    // Nodes that take no tasks offer less than any floor.
    floors_ = {{columns.cpu(), compiled.floors(i).cpu},
               {columns.memory(), compiled.floors(i).memory}};
    for (const OwnerPlan::LeastOffer& floor : plan.floors) {
      floors_.push_back({books.offers(floor.column), floor.least});
    }
    by_class_.assign(books.classes().end(), 0);
    for (std::uint32_t number = 0; number < by_class_.size(); ++number) {
      if (books.classes().nodes_of(number) == 0) continue;
      std::uint8_t verdict = compiled.verdicts.of(number);
      if (verdict == Verdicts::kUnknown) verdict = find_verdict(compiled, books, number);
      by_class_[number] = verdict == verdict_for(i) ? 1 : 0;
    }
    floors_.push_back(
        {columns.node_class(), 1, by_class_.data(), static_cast<std::uint32_t>(by_class_.size())});
    part_.assign(candidates_.size(), 0);
    kernels_.filter(all(columns), floors_, part_.data());
    strike_out(compiled, i, books, part_);
    for (std::size_t w = 0; w < part_.size(); ++w) candidates_[w] |= part_[w];
  }
}

Key Scan::key_of(std::size_t strategy, const Compiled& compiled, const Books& books,
                 const NodeColumns& columns) {
  switch (compiled.strategies[strategy].kind) {
    case Strategy::Kind::BinpackCpu:
      return Key{columns.cpu()};
    case Strategy::Kind::BinpackMemory:
      return Key{columns.memory()};
    case Strategy::Kind::SpreadInstance: {
      if (const CountTree* counts = books.tally().counts(compiled.counted))
        return Key{counts->level(0)};
      by_node_.assign(books.padded(), 0);
      for (std::uint32_t node = 0; node < books.node_end(); ++node) {
        by_node_[node] =
            static_cast<std::int32_t>(books.count(compiled.counted_kind, compiled.counted, node));
      }
      return Key{by_node_.data()};
    }
    case Strategy::Kind::SpreadAttribute: {
      const Tally::Slot slot = compiled.slots[strategy];
      const ValueNumbers& values = books.tally().values(slot);
      by_class_.assign(books.classes().end(), 0);
      for (std::uint32_t number = 0; number < by_class_.size(); ++number) {
        if (books.classes().nodes_of(number) == 0) continue;
        by_class_[number] = books.tally().of_value(compiled.counted, slot, values.of_class(number));
      }
      return Key{columns.node_class(), by_class_.data(),
                 static_cast<std::uint32_t>(by_class_.size())};
    }
    default:
      break;
  }
  return Key{columns.cpu()};
}

const Scan::Bitmap& Scan::all(const NodeColumns& columns) {
  if (all_.size() != columns.size() / 64) all_.assign(columns.size() / 64, ~std::uint64_t{0});
  return all_;
}

std::optional<std::uint32_t> Scan::decide(Compiled& compiled, const Books& books,
                                          const NodeColumns& columns, Question question) {
  const auto node_of = [](const Best& best) {
    return best.node == Best::kNone ? std::nullopt
                                    : std::optional(static_cast<std::uint32_t>(best.node));
  };
  const auto& strategies = compiled.strategies;
  if (question.passes_all) {
    const PlanFloors& plan = compiled.first_plan;
    const std::array<Floor, 2> floors = {
        {{columns.cpu(), plan.cpu}, {columns.memory(), plan.memory}}};
    if (strategies.size() == 1 && strategies.front().kind != Strategy::Kind::Random)
      return node_of(
          kernels_.first_least(all(columns), floors, key_of(0, compiled, books, columns)));
    candidates_.assign(columns.size() / 64, 0);
    kernels_.filter(all(columns), floors, candidates_.data());
  } else {
    gather(compiled, books, columns);
  }
  for (std::size_t i = 0; i < strategies.size(); ++i) {
    if (strategies[i].kind == Strategy::Kind::Random)
      return first_from(candidates_, roll(question.dice, kProbes, books.node_end()));
    const Key key = key_of(i, compiled, books, columns);
    if (i + 1 == strategies.size()) return node_of(kernels_.first_least(candidates_, {}, key));
    kernels_.keep_least(candidates_, key);
  }
  return std::nullopt;
}

std::vector<std::uint32_t> Scan::leave(Compiled& compiled, std::size_t count, const Books& books,
                                       const NodeColumns& columns) {
  gather(compiled, books, columns);
  for (std::size_t i = 0; i < count; ++i)
    kernels_.keep_least(candidates_, key_of(i, compiled, books, columns));
  std::vector<std::uint32_t> out;
  for (std::size_t w = 0; w < candidates_.size(); ++w) {
    for (std::uint64_t word = candidates_[w]; word != 0; word &= word - 1)
      out.push_back(
          static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word))));
  }
  return out;
}

void narrow_by(std::vector<std::uint32_t>& nodes, const Compiled& compiled, std::size_t strategy,
               const Books& books, std::uint64_t dice) {
  if (compiled.strategies[strategy].kind == Strategy::Kind::Random) {
    const auto at =
        std::lower_bound(nodes.begin(), nodes.end(), roll(dice, kProbes, books.node_end()));
    nodes = {at == nodes.end() ? nodes.front() : *at};
    return;
  }
  const auto key_of = [&](std::uint32_t node) -> std::int64_t {
    switch (compiled.strategies[strategy].kind) {
      case Strategy::Kind::BinpackCpu:
        return books.cpu_offer(node);
      case Strategy::Kind::BinpackMemory:
        return books.memory_offer(node);
      case Strategy::Kind::SpreadInstance:
        return books.count(compiled.counted_kind, compiled.counted, node);
      case Strategy::Kind::SpreadAttribute: {
        const Tally::Slot slot = compiled.slots[strategy];
        const std::uint32_t value = books.tally().values(slot).of_class(books.class_number(node));
        return books.tally().of_value(compiled.counted, slot, value);
      }
      default:
        break;
    }
    return 0;
  };
  std::int64_t least = INT64_MAX;
  for (const std::uint32_t node : nodes) least = std::min(least, key_of(node));
  std::erase_if(nodes, [&](std::uint32_t node) { return key_of(node) != least; });
}

std::uint32_t narrow(std::vector<std::uint32_t> nodes, const Compiled& compiled, std::size_t first,
                     const Books& books, std::uint64_t dice) {
  for (std::size_t i = first; i < compiled.strategies.size() && nodes.size() > 1; ++i)
    narrow_by(nodes, compiled, i, books, dice);
  return nodes.front();
}

}  // namespace berth::placement
