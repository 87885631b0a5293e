// SPDX-License-Identifier: Apache-2.0
// The strategies beyond ECS's, through the engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/placement/engine.hpp"

namespace berth::placement {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Strategy::Kind;

NodeSpec gpu_host(const std::string& id, int gpus, std::int64_t cpu = 8000) {
  NodeSpec out{.id = id, .owner = "ec2", .cpu = cpu, .memory_mib = 64000};
  for (int i = 0; i < gpus; ++i) {
    out.devices.push_back(
        {.id = "g" + std::to_string(i), .type = "GPU", .model = "t4", .share_milli = 1000});
  }
  return out;
}

DeviceNeed whole(std::int64_t count) {
  return {.type = "GPU", .count = count};
}
DeviceNeed part(std::int64_t share_milli) {
  return {.type = "GPU", .share_milli = share_milli};
}

Request request(Needs needs, std::vector<Strategy> strategies) {
  return {.group = "family:train",
          .needs = {{"ec2", std::move(needs)}},
          .strategies = std::move(strategies)};
}

class ScoredTest : public ::testing::Test {
 protected:
  NodeIndex add(const NodeSpec& spec) { return engine.add_node(spec).value(); }
  RequestId compile(const Request& r) {
    auto id = engine.compile(r);
    EXPECT_TRUE(id.has_value()) << id.error().message;
    return *id;
  }
  std::vector<std::uint32_t> place(RequestId id, std::size_t count) {
    std::vector<std::uint32_t> out;
    for (const Placement& placed : engine.place_many(id, count, 7))
      out.push_back(static_cast<std::uint32_t>(placed.node));
    return out;
  }
  // What compile names as the fault.
  std::string fault(const Request& r) {
    const auto id = engine.compile(r);
    return id ? "" : id.error().what;
  }
  void expect(std::vector<ExpectedTask> tasks) {
    const auto error = engine.set_target_workload(tasks);
    EXPECT_FALSE(error.has_value()) << error->message;
  }
  Engine engine;
};

TEST_F(ScoredTest, BestFitMeasuresByTheLargestNodesAndFollowsThem) {
  add({.id = "n0", .owner = "ec2", .cpu = 1000, .memory_mib = 4000});
  add({.id = "n1", .owner = "ec2", .cpu = 2000, .memory_mib = 2000});
  const RequestId id = compile(request({.cpu = 10, .memory_mib = 10}, {{Kind::BestFit}}));
  // n0: (0.495 + 0.998) / 2; n1: (0.995 + 0.498) / 2: as much, the first wins.
  EXPECT_THAT(place(id, 1), ElementsAre(0));
  // With much more memory elsewhere cpu decides.
  const NodeIndex large = add({.id = "n2", .owner = "other", .cpu = 10, .memory_mib = 400000});
  ASSERT_TRUE(
      engine.change_node(NodeIndex{1}, {.id = "n1", .owner = "ec2", .cpu = 800, .memory_mib = 8000})
          .has_value());
  EXPECT_THAT(place(id, 1), ElementsAre(1));
  // Gone, memory counts again: n0 has 3,990 of 8,000 left.
  ASSERT_TRUE(engine.remove_node(large));
  EXPECT_THAT(place(id, 1), ElementsAre(0));
}

TEST_F(ScoredTest, DotProductAvoidsNodesRichInWhatTheTaskNeeds) {
  add({.id = "n0", .owner = "ec2", .cpu = 4000, .memory_mib = 1000});
  add({.id = "n1", .owner = "ec2", .cpu = 1000, .memory_mib = 4000});
  const Strategy by{Kind::DotProduct};
  EXPECT_THAT(place(compile(request({.cpu = 900, .memory_mib = 10}, {by})), 1), ElementsAre(1));
  EXPECT_THAT(place(compile(request({.cpu = 10, .memory_mib = 900}, {by})), 1), ElementsAre(0));
}

TEST_F(ScoredTest, L2FitMeasuresEachNodeByWhatItHasInAll) {
  add({.id = "n0", .owner = "ec2", .cpu = 4000, .memory_mib = 4000});
  add({.id = "n1", .owner = "ec2", .cpu = 1000, .memory_mib = 1000});
  const Strategy by{Kind::L2Fit};
  // 10 % of n1 and 2.5 % of n0 are taken.
  EXPECT_THAT(place(compile(request({.cpu = 100, .memory_mib = 100}, {by})), 1), ElementsAre(1));
}

TEST_F(ScoredTest, MeasuresOnlyWhatTheStrategyNames) {
  add({.id = "n0", .owner = "ec2", .cpu = 1000, .memory_mib = 4000});
  add({.id = "n1", .owner = "ec2", .cpu = 2000, .memory_mib = 1000});
  const auto by = [](std::uint8_t measured) {
    return std::vector<Strategy>{{.kind = Kind::BestFit, .measured = measured}};
  };
  EXPECT_THAT(place(compile(request({.cpu = 10}, by(Strategy::kCpu))), 1), ElementsAre(0));
  EXPECT_THAT(place(compile(request({.cpu = 10}, by(Strategy::kMemory))), 1), ElementsAre(1));
}

TEST_F(ScoredTest, FragmentationGivesThePartOfTheDeviceThatItChose) {
  const NodeIndex node = add(gpu_host("n0", 2));
  expect({{.devices = 1, .share_milli = 600}});
  ASSERT_TRUE(engine
                  .adopt({.node = node,
                          .needs = {},
                          .group = "g",
                          .devices = {{.device_id = "g0", .share_milli = 700, .whole = false}}})
                  .has_value());
  // The 300 that g0 has left are of no use to what is expected.
  const RequestId small = compile(request({.devices = {part(200)}}, {{Kind::Fragmentation}}));
  const auto first = engine.place(small, 0);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->devices.at(0).device_id, "g0");
  // g0 has 100 left.
  expect({{.devices = 1, .share_milli = 950}, {.devices = 1, .share_milli = 80}});
  const RequestId tiny = compile(request({.devices = {part(40)}}, {{Kind::Fragmentation}}));
  const auto second = engine.place(tiny, 0);
  ASSERT_TRUE(second.has_value());
  // From g0: 60 are lost to the second, 40 less to the first. From g1: nothing.
  EXPECT_EQ(second->devices.at(0).device_id, "g1");
}

TEST_F(ScoredTest, FragmentationTakesTheLowestFreeWholeDevices) {
  const NodeIndex node = add(gpu_host("n0", 4));
  expect({{.devices = 1, .share_milli = 1000}});
  ASSERT_TRUE(
      engine.adopt({.node = node, .needs = {}, .group = "g", .devices = {{.device_id = "g1"}}})
          .has_value());
  const auto placed =
      engine.place(compile(request({.devices = {whole(2)}}, {{Kind::Fragmentation}})), 0);
  ASSERT_TRUE(placed.has_value());
  EXPECT_EQ(placed->devices.at(0).device_id, "g0");
  EXPECT_EQ(placed->devices.at(1).device_id, "g2");
}

TEST_F(ScoredTest, FragmentationFollowsWhatIsExpected) {
  add(gpu_host("pair", 2));
  add(gpu_host("single", 1));
  expect({{.devices = 2, .share_milli = 1000}});
  const RequestId id = compile(request({.devices = {part(500)}}, {{Kind::Fragmentation}}));
  // The pair is of use only as long as both are whole.
  EXPECT_THAT(place(id, 1), ElementsAre(1));
  // Half a device is now of use wherever it is left: the first node of equal ones.
  expect({{.devices = 1, .share_milli = 400}});
  EXPECT_THAT(place(id, 1), ElementsAre(0));
}

TEST_F(ScoredTest, FragmentationWantsToKnowWhatIsExpected) {
  add(gpu_host("n0", 1));
  const Request r = request({.devices = {part(500)}}, {{Kind::BinpackCpu}, {Kind::Fragmentation}});
  EXPECT_EQ(fault(r), "strategies[1]");
  expect({{.devices = 1, .share_milli = 500}});
  const RequestId id = compile(r);
  EXPECT_EQ(engine.set_target_workload({})->what, "tasks");
  ASSERT_TRUE(engine.drop(id));
  EXPECT_FALSE(engine.set_target_workload({}).has_value());
  EXPECT_EQ(fault(r), "strategies[1]");
}

TEST_F(ScoredTest, NamesTheFaultOfAnExpectedTask) {
  const auto what = [this](const ExpectedTask& task) {
    const auto error = engine.set_target_workload({{}, task});
    return error ? error->what + " / " + error->message : "";
  };
  EXPECT_THAT(what({.devices = 1, .share_milli = 1001}),
              HasSubstr("tasks[1].share_milli / tasks["));
  EXPECT_THAT(what({.devices = 2, .share_milli = 500}), HasSubstr("tasks[1].share_milli"));
  EXPECT_THAT(what({.weight = 0}), HasSubstr("tasks[1].weight"));
  EXPECT_THAT(what({.models = {"t4"}}), HasSubstr("tasks[1].models"));
  ExpectedTask many{.devices = 1, .share_milli = 1000};
  for (int i = 0; i < 31; ++i) many.models.push_back("m" + std::to_string(i));
  EXPECT_EQ(what(many), "");
  many.models.push_back("one more");
  EXPECT_THAT(what(many), HasSubstr("tasks[1].models"));
}

TEST_F(ScoredTest, PackingPrefersDevicesInUseAndClusteringDevicesOfItsKind) {
  add(gpu_host("free", 1));
  add(gpu_host("shared", 2));
  add(gpu_host("whole", 2));
  const auto hold = [this](std::uint32_t node, DeviceGrant grant) {
    ASSERT_TRUE(
        engine
            .adopt(
                {.node = NodeIndex{node}, .needs = {}, .group = "g", .devices = {std::move(grant)}})
            .has_value());
  };
  hold(1, {.device_id = "g0", .share_milli = 300, .whole = false});
  hold(2, {.device_id = "g0"});
  EXPECT_THAT(place(compile(request({.devices = {part(500)}}, {{Kind::GpuPacking}})), 1),
              ElementsAre(1));
  EXPECT_THAT(place(compile(request({.devices = {whole(1)}}, {{Kind::GpuClustering}})), 1),
              ElementsAre(2));
}

TEST_F(ScoredTest, AffinityAttractsAndRepelsByWeight) {
  for (const char* tier : {"hot", "warm", "cold"}) {
    add({.id = tier,
         .owner = "ec2",
         .cpu = 100,
         .memory_mib = 100,
         .attributes = {{"tier", tier}}});
  }
  Request r = request({.cpu = 60}, {{Kind::Affinity}});
  r.affinity = {{"attribute:tier in [warm, cold]", 5}, {"attribute:tier == cold", -2}};
  EXPECT_THAT(place(compile(r), 4), ElementsAre(1, 2, 0));  // it refuses no node
}

TEST_F(ScoredTest, AffinityToATasksGroupFollowsThatTask) {
  add({.id = "n0", .owner = "ec2", .cpu = 100, .memory_mib = 100});
  add({.id = "n1", .owner = "ec2", .cpu = 100, .memory_mib = 100});
  Request r = request({.cpu = 1}, {{Kind::Affinity}});
  r.affinity = {{"task:group == family:db", 1}};
  const RequestId id = compile(r);
  EXPECT_THAT(place(id, 1), ElementsAre(0));
  const auto db = engine.adopt({.node = NodeIndex{1}, .needs = {}, .group = "family:db"});
  EXPECT_THAT(place(id, 1), ElementsAre(1));
  ASSERT_TRUE(engine.retire(*db));
  EXPECT_THAT(place(id, 1), ElementsAre(0));
}

TEST_F(ScoredTest, AScoreChoosesAmongTheTiesOfThoseBeforeItAndLeavesItsOwn) {
  for (int i = 0; i < 40; ++i) {
    NodeSpec spec{.id = "n" + std::to_string(i), .owner = "ec2", .cpu = 100, .memory_mib = 100};
    spec.attributes = {{"rack", i % 2 == 0 ? "even" : "odd"}, {"best", i == 31 ? "yes" : "no"}};
    add(spec);
  }
  Request r = request({.cpu = 10}, {{Kind::SpreadAttribute, "rack"}, {Kind::Affinity}});
  r.affinity = {{"attribute:best == yes", 1}};
  EXPECT_THAT(place(compile(r), 3), ElementsAre(31, 0, 31));
  // A score first, then the fewest tasks: 31 has some.
  r.affinity = {{"attribute:rack == odd", 1}};
  r.strategies = {{Kind::Affinity}, {Kind::SpreadInstance}};
  EXPECT_THAT(place(compile(r), 2), ElementsAre(1, 3));
}

TEST_F(ScoredTest, RefusesWhatAStrategyDoesNotHave) {
  const auto what = [this](const Strategy& strategy) { return fault(request({}, {strategy})); };
  EXPECT_EQ(what({.kind = Kind::BestFit, .levels = 1}), "strategies[0].levels");
  EXPECT_EQ(what({.kind = Kind::DotProduct, .levels = 100'001}), "strategies[0].levels");
  EXPECT_EQ(what({.kind = Kind::BinpackCpu, .levels = 10}), "strategies[0].levels");
  EXPECT_EQ(what({.kind = Kind::L2Fit, .levels = 10}), "strategies[0].levels");
  EXPECT_EQ(what({.kind = Kind::L2Fit, .measured = 0}), "strategies[0].measured");
  EXPECT_EQ(what({.kind = Kind::BestFit, .measured = 8}), "strategies[0].measured");
  EXPECT_EQ(what({.kind = Kind::GpuPacking, .measured = 1}), "strategies[0].measured");
  EXPECT_EQ(what({.kind = Kind::Affinity}), "strategies[0]");
  Request r = request({}, {{Kind::Affinity}});
  r.affinity = {{"attribute:", 1}};
  EXPECT_EQ(fault(r), "affinity[0].expression");
  r.affinity = {{std::string(kMaxExpression + 1, ' '), 1}};
  EXPECT_EQ(fault(r), "affinity[0].expression");
  r.affinity = {{"attribute:a exists", 1}};
  r.strategies = {{Kind::Random}};
  EXPECT_EQ(fault(r), "affinity");
}

TEST(ScoredMemory, KeepsScoresUnderTheCapAndTellsOfThem) {
  Engine engine({.score_cache_bytes = 40'000});
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(engine.add_node(gpu_host("n" + std::to_string(i), 1)).has_value());
  EXPECT_EQ(engine.memory().caches, 0U);
  std::vector<RequestId> ids;
  for (int i = 0; i < 30; ++i)
    ids.push_back(*engine.compile(request({.cpu = 1 + i}, {{Kind::BestFit}})));
  for (const RequestId id : ids) ASSERT_TRUE(engine.place(id, 0).has_value());
  EXPECT_GT(engine.memory().caches, 1000U * 4);
  EXPECT_LE(engine.memory().caches, 40'000U);
  for (const RequestId id : ids) ASSERT_TRUE(engine.drop(id));
  EXPECT_EQ(engine.memory().caches, 0U);
  EXPECT_EQ(engine.decision_counts().scans, 0U);
}

TEST(ExtendedStrategy, IsReadOnlyWhereItIsAllowed) {
  EXPECT_EQ(parse_strategy("fragmentation", "").error().what, "type");
  EXPECT_EQ(*parse_extended_strategy("FRAGMENTATION", ""), Strategy{Kind::Fragmentation});
  EXPECT_EQ(*parse_extended_strategy("spread", "host"), Strategy{Kind::SpreadInstance});
  EXPECT_EQ(
      *parse_extended_strategy("bestfit", "CPU,devices,levels:16"),
      (Strategy{
          .kind = Kind::BestFit, .levels = 16, .measured = Strategy::kCpu | Strategy::kDevices}));
  const auto unknown = parse_extended_strategy("worstFit", "").error();
  EXPECT_EQ(unknown.what, "type");
  EXPECT_THAT(unknown.message, HasSubstr("random, spread, binpack, bestFit, dotProduct, l2"));
}

TEST(ExtendedStrategy, RefusesFieldsThatItDoesNotHave) {
  const auto what = [](std::string_view type, std::string_view field) {
    const auto parsed = parse_extended_strategy(type, field);
    return parsed ? "" : parsed.error().what;
  };
  for (const char* field : {"cpu,", ",", "cpu,cpu", "gpu", "levels:", "levels:1", "levels:100001",
                            "levels:4x", "levels:4,levels:4", " cpu"}) {
    EXPECT_EQ(what("dotProduct", field), "field") << field;
  }
  EXPECT_EQ(what("l2", "levels:10"), "field");
  EXPECT_EQ(what("affinity", "cpu"), "field");
  EXPECT_THAT(parse_extended_strategy("gpuPacking", "cpu").error().message,
              HasSubstr("it takes no field"));
}

TEST(ExtendedStrategy, IsWrittenAsItIsRead) {
  for (const auto& [type, field] :
       std::vector<std::pair<std::string, std::string>>{{"bestFit", ""},
                                                        {"bestFit", "cpu,levels:7"},
                                                        {"dotProduct", "memory,devices"},
                                                        {"l2", "devices"},
                                                        {"gpuPacking", ""},
                                                        {"gpuClustering", ""},
                                                        {"fragmentation", "levels:16"},
                                                        {"affinity", ""}}) {
    const Strategy strategy = *parse_extended_strategy(type, field);
    EXPECT_EQ(strategy_type(strategy), type);
    EXPECT_EQ(strategy_field(strategy), field);
  }
}

}  // namespace
}  // namespace berth::placement
