// SPDX-License-Identifier: Apache-2.0
// Where each strategy puts the tasks of the example, worked out by hand, and what must hold for
// all.
#include "bench/replay/player.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/bench/replay/scratch.hpp"

namespace berth::replay {
namespace {

// The node of each task, by its letter, or "-".
std::string places(Strategy strategy, const std::vector<std::uint32_t>& order = {0, 1, 2}) {
  const Trace trace = example_trace();
  const auto player = exhaustive_player(trace, order, strategy).value();
  std::string out;
  for (const std::uint32_t row : example_arrivals().tasks) {
    const auto node = player->place(trace.tasks[row]);
    out += node ? trace.nodes[order[*node]].name.back() : '-';
  }
  return out;
}

TEST(Player, FgdKeepsThePairOfDevicesTogether) {
  // Expected, of six: two halves, one whole, one pair, two without devices.
  // half: on a, half of a device is lost to the whole task and 1.5 to the pair: score 45; on b and
  // c 500 less are lost: 54. whole: on a nothing is gained: 54; on c 3 of 6 classes gain 1000: 62.
  EXPECT_EQ(places({.policy = Policy::Fgd}), "bcaab-");
}

TEST(Player, FgdTakesTheFirstNodeInOrderOfEqualOnes) {
  EXPECT_EQ(places({.policy = Policy::Fgd}, {2, 1, 0}), "cbacc-");
}

TEST(Player, FgdWithTwoLevelsIsFirstFitAmongPlacementsThatWasteNoMore) {
  // half on a wastes more, on b less; whole on a wastes less, so that the pair finds no place.
  EXPECT_EQ(places({.policy = Policy::Fgd, .levels = 2}), "ba-aa-");
}

TEST(Player, BestFitAndDotProductTakeTheFullestNode) {
  EXPECT_EQ(places({.policy = Policy::BestFit}), "cbacc-");
  EXPECT_EQ(places({.policy = Policy::DotProduct}), "cbacc-");
  EXPECT_EQ(places({.policy = Policy::L2}), "cbacc-");
}

TEST(Player, PackingTakesSmallFreeNodesAndThenSharedDevices) {
  EXPECT_EQ(places({.policy = Policy::Packing}), "bcaab-");
}

TEST(Player, ClusteringKeepsHalvesWithHalves) {
  EXPECT_EQ(places({.policy = Policy::Clustering}), "bcaab-");
}

TEST(Player, BinpackLooksAtOneAmountOnly) {
  EXPECT_EQ(places({.policy = Policy::BinpackCpu}), "ca-cc-");
  EXPECT_EQ(places({.policy = Policy::BinpackMemory}), "ca-cc-");
}

TEST(Player, SpreadTakesTheNodeWithTheFewestTasks) {
  EXPECT_EQ(places({.policy = Policy::Spread}), "ab-ca-");
}

TEST(Player, RandomFollowsItsSeed) {
  std::vector<std::string> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Strategy strategy{.policy = Policy::Random, .seed = seed};
    seen.push_back(places(strategy));
    EXPECT_EQ(places(strategy), seen.back());
    EXPECT_EQ(seen.back().back(), '-');  // too large for all of them
  }
  std::ranges::sort(seen);
  EXPECT_GT(std::ranges::unique(seen).begin() - seen.begin(), 3);
}

TEST(Player, RefusesLevelsThatMakeNoScore) {
  const Trace trace = example_trace();
  EXPECT_FALSE(exhaustive_player(trace, {0, 1, 2}, {.levels = 1}).has_value());
  EXPECT_FALSE(exhaustive_player(trace, {0, 1, 2}, {.levels = 100'001}).has_value());
}

TEST(Player, KnowsTheStrategiesByName) {
  for (const std::string& name : policy_names())
    EXPECT_TRUE(parse_policy(name).has_value()) << name;
  EXPECT_EQ(parse_policy("clustering"), Policy::Clustering);
  EXPECT_EQ(parse_policy("random"), Policy::Random);
  EXPECT_EQ(parse_policy("Random").error(), "strategy 'Random' is unknown");
}

// A cluster in which many nodes tie, and tasks of few kinds.
Trace draw_trace() {
  Trace trace;
  trace.models = {"a", "b"};
  const int nodes = *rc::gen::inRange(1, 40);
  for (int i = 0; i < nodes; ++i) {
    trace.nodes.push_back({.name = "n",
                           .cpu_milli = *rc::gen::element(4000, 8000, 9000),
                           .memory_mib = *rc::gen::element(4096, 8192),
                           .devices = *rc::gen::element(0, 1, 2, 4, 8),
                           .model = *rc::gen::element(0U, 1U)});
  }
  for (int i = 0; i < 8; ++i) {
    placement::DeviceAsk ask{.cpu = *rc::gen::inRange(0, 3) * 500};
    ask.devices = *rc::gen::element(0, 1, 1, 1, 2);
    if (ask.devices == 1) ask.share_milli = *rc::gen::element(200, 300, 500, 1000);
    if (ask.devices == 2) ask.share_milli = 1000;
    if (ask.devices > 0 && *rc::gen::inRange(0, 4) == 0) ask.models = 1;
    trace.tasks.push_back({.name = "t", .memory_mib = *rc::gen::inRange(0, 3) * 256, .ask = ask});
  }
  return trace;
}

RC_GTEST_PROP(Player, ByTheEngineDecidesAsTheExhaustiveOne, ()) {
  const Trace trace = draw_trace();
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < trace.nodes.size(); ++i) order.push_back(i);
  Strategy strategy;
  strategy.policy = static_cast<Policy>(*rc::gen::inRange(0, static_cast<int>(Policy::Random)));
  strategy.levels = *rc::gen::element(2, 16, 100);
  const auto plain = exhaustive_player(trace, order, strategy).value();
  const auto engine = engine_player(trace, order, strategy).value();
  for (int i = 0; i < 150; ++i) {
    const TraceTask& task = trace.tasks[*rc::gen::inRange<std::size_t>(0, trace.tasks.size())];
    RC_ASSERT(engine->place(task) == plain->place(task));
  }
}

TEST(Player, ByTheEngineTellsWhatItRefuses) {
  Trace trace = example_trace();
  EXPECT_FALSE(engine_player(trace, {0, 1, 2}, {.levels = 1}).has_value());
  trace.nodes[1].cpu_milli = std::int64_t{1} << 31;
  const auto player = engine_player(trace, {0, 1, 2}, {});
  ASSERT_FALSE(player.has_value());
  EXPECT_THAT(player.error(), ::testing::StartsWith("node " + trace.nodes[1].name + ": "));
}

struct Left {
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int32_t devices = 0;
};

// With whole devices of one model what fits can be told by three amounts.
RC_GTEST_PROP(Player, PlacesATaskExactlyWhereAndWhenItFits, ()) {
  Trace trace;
  std::vector<std::uint32_t> order;
  const int nodes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < nodes; ++i) {
    trace.nodes.push_back({.name = "n",
                           .cpu_milli = *rc::gen::inRange(0, 12),
                           .memory_mib = *rc::gen::inRange(0, 12),
                           .devices = *rc::gen::inRange(0, 9)});
    order.push_back(static_cast<std::uint32_t>(i));
  }
  for (int i = 0; i < 25; ++i) {
    const auto devices = *rc::gen::inRange(0, 4);
    trace.tasks.push_back({.name = "t",
                           .memory_mib = *rc::gen::inRange(0, 5),
                           .ask = {.cpu = *rc::gen::inRange(0, 5),
                                   .devices = devices,
                                   .share_milli = devices > 0 ? 1000 : 0}});
  }
  std::vector<Left> left;
  for (const TraceNode& node : trace.nodes) {
    left.push_back({node.cpu_milli, node.memory_mib, node.devices});
  }
  const auto policy = static_cast<Policy>(*rc::gen::inRange<std::size_t>(0, policy_names().size()));
  const auto player = exhaustive_player(trace, order, {.policy = policy}).value();
  for (const TraceTask& task : trace.tasks) {
    const auto fits = [&task](const Left& one) {
      return one.cpu >= task.ask.cpu && one.memory_mib >= task.memory_mib &&
             one.devices >= task.ask.devices;
    };
    const auto node = player->place(task);
    RC_ASSERT(node.has_value() == std::ranges::any_of(left, fits));
    if (!node) continue;
    RC_ASSERT(fits(left[*node]));
    left[*node].cpu -= task.ask.cpu;
    left[*node].memory_mib -= task.memory_mib;
    left[*node].devices -= task.ask.devices;
  }
}

}  // namespace
}  // namespace berth::replay
