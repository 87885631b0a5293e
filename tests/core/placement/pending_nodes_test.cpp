// SPDX-License-Identifier: Apache-2.0
#include "core/placement/pending_nodes.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

using Entry = PendingNodes::Entry;
using Model = std::map<std::uint32_t, Entry>;

std::size_t bits_of(std::uint64_t mask) {
  return static_cast<std::size_t>(std::popcount(mask));
}

// The mask names exactly the nodes for which `wanted` holds.
template <typename Wanted>
void expect_those(const PendingNodes& pending, const Model& model, std::uint64_t mask,
                  const Wanted& wanted) {
  std::size_t found = 0;
  for (std::uint64_t rest = pending.used(); rest != 0; rest &= rest - 1) {
    const auto at = static_cast<std::uint32_t>(std::countr_zero(rest));
    const Entry& entry = model.at(pending.node(at));
    ASSERT_EQ((mask >> at & 1) != 0, wanted(entry)) << "node " << entry.node;
    found += wanted(entry) ? 1 : 0;
  }
  ASSERT_EQ(bits_of(mask), found);
}

TEST(PendingNodes, AnswerAsAMapOfTheLastThatWasNotedOfEach) {
  PendingNodes pending;
  pending.resize(500);
  Model model;
  Draw draw(1);
  const auto amount = [&] { return static_cast<std::int32_t>(draw.below(9)) - 1; };
  for (int step = 0; step < 5'000; ++step) {
    Entry entry{.cpu = draw.one_in(7) ? lanes::kNothing : amount(),
                .memory = amount(),
                .node = static_cast<std::uint32_t>(draw.below(step % 500 < 250 ? 70 : 500)),
                .part = static_cast<std::uint8_t>(draw.below(3)),
                .label = static_cast<std::uint8_t>(draw.below(256))};
    if (!pending.has_room_for(entry.node)) {
      ASSERT_EQ(model.size(), PendingNodes::kSize);
      const std::uint64_t going = draw.one_in(9) ? pending.used() : pending.next_to_go();
      ASSERT_GE(bits_of(going), PendingNodes::kTogether);
      for (std::uint64_t rest = going; rest != 0; rest &= rest - 1)
        model.erase(pending.node(static_cast<std::uint32_t>(std::countr_zero(rest))));
      pending.remove(going);
    }
    pending.note(entry);
    model[entry.node] = entry;
    ASSERT_EQ(bits_of(pending.used()), model.size());
    ASSERT_TRUE(pending.contains(entry.node));
    const std::int32_t cpu = amount();
    const std::int32_t memory = amount();
    const auto part = static_cast<std::uint8_t>(draw.below(3));
    expect_those(pending, model, pending.with_at_least(cpu, memory, part), [&](const Entry& one) {
      return one.part == part && one.cpu >= cpu && one.memory >= memory;
    });
    expect_those(pending, model, pending.cpu_not_above(cpu),
                 [&](const Entry& one) { return one.cpu <= cpu; });
    expect_those(pending, model, pending.memory_not_above(INT32_MAX),
                 [](const Entry&) { return true; });
    expect_those(pending, model, pending.nodes_not_above(entry.node),
                 [&](const Entry& one) { return one.node <= entry.node; });
    const auto at = static_cast<std::uint32_t>(std::countr_zero(pending.used()));
    ASSERT_EQ(pending.entry(at).label, model.at(pending.node(at)).label);
    const auto other = static_cast<std::uint32_t>(draw.below(500));
    ASSERT_EQ(pending.contains(other), model.contains(other));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace berth::placement::testing
