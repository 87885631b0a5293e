// SPDX-License-Identifier: Apache-2.0
// Which tasks to stop: one rule in each test. The oracle's property is in oracle_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/placement/engine.hpp"

namespace berth::placement {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ScaleInTest : public ::testing::Test {
 protected:
  NodeIndex host(const std::string& id, const std::string& zone, std::int64_t cpu = 1000,
                 std::int64_t memory_mib = 1000) {
    return engine
        .add_node({.id = id,
                   .owner = "ec2",
                   .cpu = cpu,
                   .memory_mib = memory_mib,
                   .attributes = {{std::string(kZoneAttribute), zone}}})
        .value();
  }
  ReservationId task(NodeIndex node, Needs needs = {}, std::string service = "web") {
    return engine
        .adopt({.node = node,
                .needs = std::move(needs),
                .group = "service:" + service,
                .service = service})
        .value();
  }
  RequestId service(std::vector<Strategy> strategies) {
    return engine
        .compile({.group = "service:web",
                  .service = "web",
                  .needs = {{"ec2", {.cpu = 1}}},
                  .strategies = std::move(strategies)})
        .value();
  }
  Engine engine;
};

TEST_F(ScaleInTest, StopsInTheZoneAndOnTheInstanceWithTheMostWithoutStrategies) {
  const NodeIndex a = host("a", "1");
  const NodeIndex b = host("b", "1");
  const NodeIndex c = host("c", "2");
  const auto a1 = task(a), b1 = task(b), b2 = task(b), c1 = task(c), c2 = task(c);
  const std::vector all = {a1, b1, b2, c1, c2};
  // Zone 1 runs three, b two of them. Then zones tie, b's and c's instances too: c runs two.
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = all, .count = 3}),
              ElementsAre(b1, c1, a1));
}

TEST_F(ScaleInTest, StopsWhereTheMostIsLeftAfterwardsWhenPacking) {
  const NodeIndex small = host("small", "1", 100, 1000);
  const NodeIndex large = host("large", "1", 200, 500);
  const auto s = task(small, {.cpu = 90, .memory_mib = 10});
  const auto l = task(large, {.cpu = 20, .memory_mib = 10});
  const auto l2 = task(large, {.cpu = 60, .memory_mib = 10});
  const std::vector all = {s, l, l2};
  // Left afterwards: cpu 100, 140 and 180.
  EXPECT_THAT(engine.choose_to_stop(service({{Strategy::Kind::BinpackCpu}}),
                                    {.candidates = all, .count = 3}),
              ElementsAre(l2, l, s));
  EXPECT_THAT(
      engine.choose_to_stop(service({{Strategy::Kind::BinpackMemory}}), {.candidates = all}),
      ElementsAre(s));
}

TEST_F(ScaleInTest, LeavesTasksThatAreNoCandidatesAndCountsThem) {
  const NodeIndex a = host("a", "1");
  const NodeIndex b = host("b", "2");
  const auto kept = task(a), other = task(a), alone = task(b);
  static_cast<void>(kept);
  const std::vector all = {alone, other};
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = all}), ElementsAre(other));
}

TEST_F(ScaleInTest, PassesByTasksThatAreRetiredUnknownTwiceThereOrOfAnotherService) {
  const NodeIndex a = host("a", "1");
  const auto fine = task(a), retired = task(a), gone = task(a), foreign = task(a, {}, "db");
  engine.retire(retired);
  engine.release(gone);
  const std::vector all = {retired, gone, foreign, fine, fine};
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = all, .count = 9}),
              ElementsAre(fine));
}

TEST_F(ScaleInTest, DoesNotCountRetiredTasks) {
  const NodeIndex a = host("a", "1");
  const NodeIndex b = host("b", "2");
  const auto a1 = task(a), a2 = task(a), a3 = task(a), b1 = task(b), b2 = task(b);
  engine.retire(a2);
  engine.retire(a3);
  const std::vector all = {a1, b1, b2};
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = all}), ElementsAre(b1));
}

TEST_F(ScaleInTest, TakesTheFirstCandidateOfThoseThatTie) {
  const NodeIndex a = host("a", "1");
  const auto first = task(a), second = task(a);
  const std::vector oldest_first = {first, second};
  const std::vector newest_first = {second, first};
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = oldest_first}), ElementsAre(first));
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = newest_first}),
              ElementsAre(second));
}

TEST_F(ScaleInTest, AnyTaskMayBeTheOneThatRandomStops) {
  const NodeIndex a = host("a", "1");
  const std::vector all = {task(a), task(a), task(a), task(a)};
  const RequestId request = service({{Strategy::Kind::Random}});
  std::set<ReservationId> seen;
  for (std::uint64_t dice = 0; dice < 100; ++dice) {
    const auto chosen = engine.choose_to_stop(request, {.candidates = all, .dice = dice});
    ASSERT_THAT(chosen, SizeIs(1));
    EXPECT_EQ(chosen, engine.choose_to_stop(request, {.candidates = all, .dice = dice}));
    seen.insert(chosen.front());
  }
  EXPECT_THAT(seen, SizeIs(4));
}

TEST_F(ScaleInTest, ReservesAndEndsNothing) {
  const NodeIndex a = host("a", "1");
  const std::vector all = {task(a, {.cpu = 10}), task(a, {.cpu = 10})};
  EXPECT_THAT(engine.choose_to_stop(service({}), {.candidates = all, .count = 2}), SizeIs(2));
  EXPECT_EQ(engine.service_count(a, "web"), 2u);
  EXPECT_EQ(engine.remaining(a)->cpu, 980);
}

TEST_F(ScaleInTest, ChoosesNothingForNothing) {
  const NodeIndex a = host("a", "1");
  const std::vector all = {task(a)};
  const RequestId request = service({});
  EXPECT_THAT(engine.choose_to_stop(request, {.candidates = {}}), IsEmpty());
  EXPECT_THAT(engine.choose_to_stop(request, {.candidates = all, .count = 0}), IsEmpty());
  EXPECT_THAT(engine.choose_to_stop(RequestId{77}, {.candidates = all}), IsEmpty());
}

TEST_F(ScaleInTest, KeepsLeaversInTheSameOrderTheGreatestRankFirstWhereTheyTie) {
  const NodeIndex a = host("a", "1");
  const NodeIndex b = host("b", "1");
  const NodeIndex c = host("c", "2");
  const auto a1 = task(a), b1 = task(b), b2 = task(b), c1 = task(c), c2 = task(c);
  const LeaversId leavers = engine.make_leavers();
  std::int64_t at = 0;
  for (const ReservationId id : {a1, b1, b2, c1, c2}) {
    EXPECT_TRUE(engine.add_leaver(leavers, {id, {.at = ++at}}));
  }
  const auto ids = [&](std::size_t count) {
    std::vector<ReservationId> out;
    for (const Leaver& one : engine.choose_to_stop(service({}), leavers, {.count = count})) {
      out.push_back(one.id);
    }
    return out;
  };
  EXPECT_THAT(ids(3), ElementsAre(b2, c2, b1)) << "zones tie after the first, then all do";
  EXPECT_THAT(ids(3), ElementsAre(b2, c2, b1)) << "asking changes nothing";
  engine.remove_leaver(leavers, {b2, {.at = 3}});
  EXPECT_THAT(ids(1), ElementsAre(b1)) << "one that must stay counts all the same";
  engine.retire(b1);
  EXPECT_THAT(ids(1), ElementsAre(c2));
  EXPECT_FALSE(engine.add_leaver(leavers, {b1, {.at = 9}})) << "it is retired";
  engine.remove_node(c);
  EXPECT_THAT(ids(9), ElementsAre(a1));
}

TEST_F(ScaleInTest, KeepsLeaversForOtherStrategiesToo) {
  const NodeIndex small = host("small", "1", 100, 1000);
  const NodeIndex large = host("large", "1", 200, 500);
  const auto s = task(small, {.cpu = 50, .memory_mib = 10});
  const auto l = task(large, {.cpu = 20, .memory_mib = 10});
  const LeaversId leavers = engine.make_leavers();
  engine.add_leaver(leavers, {s, {.at = 1}});
  engine.add_leaver(leavers, {l, {.at = 2}});
  const auto first = [&](Strategy::Kind kind) {
    return engine.choose_to_stop(service({{kind}}), leavers, {}).at(0).id;
  };
  EXPECT_EQ(first(Strategy::Kind::BinpackCpu), l);
  EXPECT_EQ(first(Strategy::Kind::BinpackMemory), s);
  // Another service's task takes the room: that is heard of without a word.
  task(large, {.cpu = 150}, "other");
  EXPECT_EQ(first(Strategy::Kind::BinpackCpu), s);
  engine.drop_leavers(leavers);
  EXPECT_THAT(engine.choose_to_stop(service({}), leavers, {.count = 2}), IsEmpty());
}

}  // namespace
}  // namespace berth::placement
