// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/replay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>

#include "tests/bench/replay/scratch.hpp"

namespace berth::replay {
namespace {

Outline outline_of(Policy policy) {
  const Trace trace = example_trace();
  const Arrivals arrivals = example_arrivals();
  const auto player = exhaustive_player(trace, arrivals.nodes, {.policy = policy}).value();
  return replay(trace, arrivals, *player);
}

TEST(Replay, GivesWhatIsAllocatedByWhatWasAskedFor) {
  // 4 GPUs; asked for: 12.5, 37.5, 87.5 (twice), 100 (twice) percent. The pair finds no place.
  const Outline outline = outline_of(Policy::Spread);
  EXPECT_EQ(outline.allocated_percent,
            (std::map<std::int32_t, double>{{13, 12.5}, {38, 37.5}, {88, 37.5}, {100, 50}}));
  EXPECT_EQ(outline.unallocated_percent_at(100), 50);
  EXPECT_EQ(outline.unallocated_percent_at(99), std::nullopt);
  EXPECT_EQ(outline.arrivals, 6U);
  EXPECT_EQ(outline.placed, 4U);
  EXPECT_EQ(outline.failed, 2U);
  EXPECT_EQ(outline.gpu_milli, 4000);
  EXPECT_EQ(outline.gpu_milli_placed, 2000);
}

TEST(Replay, MeansOverArrivalsThatRoundAlike) {
  Trace trace{.nodes = {{.name = "n", .cpu_milli = 9, .memory_mib = 9, .devices = 1}}};
  trace.tasks = {{.name = "a", .ask = {.devices = 1, .share_milli = 1}},
                 {.name = "b", .ask = {.devices = 1, .share_milli = 3}},
                 {.name = "c", .ask = {.devices = 1, .share_milli = 1}}};
  const Arrivals arrivals{.nodes = {0}, .tasks = {0, 1, 2}};
  const auto player = exhaustive_player(trace, arrivals.nodes, {.policy = Policy::BestFit}).value();
  const Outline outline = replay(trace, arrivals, *player);
  ASSERT_EQ(outline.allocated_percent.size(), 2U);
  EXPECT_DOUBLE_EQ(outline.allocated_percent.at(0), (0.1 + 0.4) / 2);
  EXPECT_DOUBLE_EQ(outline.allocated_percent.at(1), 0.5);
}

TEST(Replay, ReportsJson) {
  const boost::json::object report =
      boost::json::parse(as_json(outline_of(Policy::Spread),
                                 {.strategy = "fgd", .levels = 16, .arrivals = "a \"file\""}))
          .as_object();
  EXPECT_EQ(report.at("strategy"), "fgd");
  EXPECT_EQ(report.at("levels"), 16);
  EXPECT_EQ(report.at("arrivals"), "a \"file\"");
  EXPECT_EQ(report.at("unallocated_gpu_percent_at_100"), 50.0);
  EXPECT_TRUE(report.at("unallocated_gpu_percent_at_95").is_null());
  EXPECT_EQ(report.at("allocated_gpu_percent"), 50.0);
  EXPECT_EQ(report.at("tasks"), 6);
  EXPECT_EQ(report.at("placed"), 4);
  EXPECT_EQ(report.at("failed"), 2);
  EXPECT_TRUE(report.at("decisions_per_second").is_number());
  const boost::json::array& curve = report.at("curve").as_array();
  ASSERT_EQ(curve.size(), 4U);
  EXPECT_EQ(curve[0].at("arrived_percent"), 13);
  EXPECT_EQ(curve[0].at("allocated_percent"), 12.5);
}

TEST(Replay, LeavesOutLevelsOfStrategiesThatHaveNone) {
  const std::string report =
      as_json(outline_of(Policy::Spread), {.strategy = "spread", .arrivals = "seed 1"});
  EXPECT_FALSE(boost::json::parse(report).as_object().contains("levels"));
}

TEST(Replay, ReportsATable) {
  const std::string table =
      as_table(outline_of(Policy::Spread), {.strategy = "spread", .arrivals = "seed 1"});
  EXPECT_THAT(table, ::testing::HasSubstr("STRATEGY   spread\n"));
  EXPECT_THAT(table, ::testing::HasSubstr("seed 1: 6 tasks, 4 placed, 2 failed\n"));
  EXPECT_THAT(table, ::testing::HasSubstr("       95  -\n      100  50.00\n"));
}

TEST(Replay, TellsWhereEachArrivalWent) {
  const Trace trace = example_trace();
  // Nodes by their names, whatever their order.
  const Arrivals arrivals{.nodes = {2, 1, 0}, .tasks = {0, 5, 1, 0}};
  const auto player = exhaustive_player(trace, arrivals.nodes, {.policy = Policy::Spread}).value();
  EXPECT_EQ(places_as_csv(replay(trace, arrivals, *player), trace, arrivals),
            "task,node\nhalf,node-c\ntoo-large,\nwhole,node-b\nhalf,node-a\n");
}

TEST(Replay, WritesWhatIsExpectedAsTheConfigurationReadsIt) {
  const std::string toml = expected_as_toml(example_trace());
  const std::string head = "[[placement.expected_task]]\ncpu = 1000\nweight = ";
  EXPECT_TRUE(toml.starts_with(head + "2\ngpu_milli = 500\n[[")) << toml;
  EXPECT_THAT(toml, ::testing::HasSubstr(head + "1\ngpus = 1\nmodels = [\"A\", \"B\"]\n"));
  EXPECT_THAT(toml, ::testing::HasSubstr(head + "1\ngpus = 2\n[["));
  EXPECT_THAT(toml, ::testing::HasSubstr("cpu = 9000\nweight = 1\n"));
}

}  // namespace
}  // namespace berth::replay
