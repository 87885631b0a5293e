// SPDX-License-Identifier: Apache-2.0
#include "core/placement/score_table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace berth::placement {
namespace {

using Best = ScoreTable::Best;

// Nodes whose state is one number; what kind k makes of it.
struct World {
  std::vector<std::int32_t> states;

  [[nodiscard]] std::int32_t score(std::uint32_t kind, std::uint32_t node) const {
    const std::int32_t state = states[node];
    if (state % 5 == static_cast<std::int32_t>(kind % 5)) return ScoreTable::kNever;
    return (state * static_cast<std::int32_t>(kind + 3)) % 17 - 8;
  }
  [[nodiscard]] std::optional<Best> plain(std::uint32_t kind) const {
    std::optional<Best> best;
    for (std::uint32_t node = 0; node < states.size(); ++node) {
      const std::int32_t here = score(kind, node);
      if (here != ScoreTable::kNever && (!best || here > best->score)) best = {here, node};
    }
    return best;
  }
  [[nodiscard]] std::optional<Best> asked(ScoreTable& table, std::uint32_t kind) const {
    return table.best(kind, [&](std::uint32_t node) { return score(kind, node); });
  }
};

// A table for `kinds` rows of so many nodes and a bit.
std::size_t cap_for(std::size_t kinds, std::size_t nodes) {
  return kinds * (nodes * 5 + 256);
}

RC_GTEST_PROP(ScoreTable, AnswersAsAskingEveryNodeWouldHoweverNodesChange, ()) {
  const auto nodes =
      static_cast<std::size_t>(*rc::gen::element(0, 1, 15, 16, 17, 100, 255, 256, 257, 700));
  World world{std::vector<std::int32_t>(nodes)};
  const std::size_t cap = cap_for(static_cast<std::size_t>(*rc::gen::element(0, 1, 3, 50)), nodes);
  ScoreTable table(nodes, cap);
  const int steps = *rc::gen::inRange(0, 150);
  for (int step = 0; step < steps; ++step) {
    for (int changes = *rc::gen::inRange(0, 6); changes > 0 && nodes > 0; --changes) {
      const auto node = *rc::gen::inRange<std::uint32_t>(0, static_cast<std::uint32_t>(nodes));
      world.states[node] = *rc::gen::inRange(0, 40);
      table.changed(node);
    }
    const auto kind = *rc::gen::inRange<std::uint32_t>(0, 6);
    if (*rc::gen::inRange(0, 30) == 0) table.forget(kind);
    RC_ASSERT(world.asked(table, kind) == world.plain(kind));
    RC_ASSERT(table.kinds() <= 6U);
  }
}

TEST(ScoreTable, AsksOnlyTheNodesThatChanged) {
  World world{std::vector<std::int32_t>(1000, 7)};
  ScoreTable table(1000);
  int questions = 0;
  const auto ask = [&] {
    questions = 0;
    return table.best(0, [&](std::uint32_t node) {
      ++questions;
      return world.score(0, node);
    });
  };
  EXPECT_EQ(ask(), world.plain(0));
  EXPECT_EQ(questions, 1000);
  EXPECT_EQ(ask(), world.plain(0));
  EXPECT_EQ(questions, 0);
  for (const std::uint32_t node : {5U, 900U, 5U}) {
    ++world.states[node];
    table.changed(node);
  }
  EXPECT_EQ(ask(), world.plain(0));
  EXPECT_EQ(questions, 2);
}

TEST(ScoreTable, AsksAllNodesAgainWhereItsLogDoesNotReachBack) {
  World world{std::vector<std::int32_t>(10, 1)};
  ScoreTable table(10);
  EXPECT_EQ(world.asked(table, 2), world.plain(2));
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    world.states[i % 10] = static_cast<std::int32_t>(i % 37);
    table.changed(i % 10);
    if (i % 1499 == 0) {
      EXPECT_EQ(world.asked(table, i % 3), world.plain(i % 3));
    }
  }
  EXPECT_EQ(world.asked(table, 2), world.plain(2));
}

TEST(ScoreTable, ForgetsTheKindNotAskedForLongestAtTheCap) {
  const World world{std::vector<std::int32_t>(512, 3)};
  ScoreTable table(512, cap_for(2, 512));
  static_cast<void>(world.asked(table, 0));
  static_cast<void>(world.asked(table, 1));
  static_cast<void>(world.asked(table, 0));
  static_cast<void>(world.asked(table, 2));
  EXPECT_EQ(table.kinds(), 2U);
  int questions = 0;
  static_cast<void>(table.best(0, [&](std::uint32_t) { return ++questions; }));
  EXPECT_EQ(questions, 0);
  static_cast<void>(table.best(1, [&](std::uint32_t) { return ++questions; }));
  EXPECT_EQ(questions, 512);
}

TEST(ScoreTable, KeepsNothingWhereOneKindIsAboveTheCap) {
  const World world{std::vector<std::int32_t>(512, 3)};
  ScoreTable table(512, 512);
  EXPECT_EQ(world.asked(table, 0), world.plain(0));
  EXPECT_EQ(table.kinds(), 0U);
}

TEST(ScoreTable, TakesNewNodes) {
  World world{std::vector<std::int32_t>(16, 1)};
  ScoreTable table(16);
  EXPECT_EQ(world.asked(table, 0), world.plain(0));
  world.states.resize(300, 9);
  table.resize(300);
  EXPECT_EQ(world.asked(table, 0), world.plain(0));
  EXPECT_GT(table.bytes(), 300 * 4U);
}

}  // namespace
}  // namespace berth::placement
