// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/instance.hpp"

#include <gmock/gmock.h>

#include "berth/v1/launch.pb.h"
#include "tests/core/plugins/fake_table.hpp"

namespace berth::plugins {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InstanceTest : public ::testing::Test {
 protected:
  void begin(Limits limits = {}) {
    auto made = core.create(plugin, limits);
    ASSERT_TRUE(made) << made.error().message;
    instance = *made;
    instance->activate({}, [](const Result<void>&) {});
    plugin.complete(plugin.calls.at(0).operation);
    core.run();
    plugin.calls.clear();
  }
  std::uint64_t call(milliseconds timeout = milliseconds(0)) {
    return instance->call(
        v1::METHOD_LAUNCH_PLAN, "request", {.timeout = timeout},
        [this](Result<std::string> result) { ends.push_back(std::move(result)); });
  }

  FakePlugin plugin;
  FakeCore core;
  std::shared_ptr<Instance> instance;
  std::vector<Result<std::string>> ends;
};

TEST_F(InstanceTest, AnswersACallOnceAndNeverFromWithinIt) {
  begin();
  plugin.on_call = [&](const FakePlugin::Call& call) {
    plugin.complete(call.operation, BERTH_OK, "answer");
    return BERTH_OK;
  };
  call();
  EXPECT_TRUE(ends.empty());
  core.run();
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].value(), "answer");
  EXPECT_EQ(plugin.calls[0].request, "request");
}

TEST_F(InstanceTest, GivesThePluginsErrorWithItsWordsAndField) {
  begin();
  const std::uint64_t operation = call();
  v1::Failure failure;
  failure.set_message("no such node");
  failure.set_field("node_id");
  failure.set_retry_after_ms(1500);
  plugin.complete(operation, BERTH_NOT_FOUND, failure.SerializeAsString());
  core.run();
  EXPECT_EQ(ends.at(0).error().code, Errc::NotFound);
  EXPECT_EQ(ends.at(0).error().retry_after, std::chrono::milliseconds(1500));
  EXPECT_EQ(ends.at(0).error().message, "no such node");
  EXPECT_EQ(ends.at(0).error().what, "node_id");
}

TEST_F(InstanceTest, TakesAStatusOutsideTheListForAnInternalError) {
  begin();
  plugin.complete(call(), 77);
  core.run();
  EXPECT_EQ(ends.at(0).error().code, Errc::Internal);
}

TEST_F(InstanceTest, AnswersWhatThePluginRefusesAtOnce) {
  begin();
  plugin.on_call = [](const FakePlugin::Call&) { return BERTH_UNIMPLEMENTED; };
  call();
  core.run();
  EXPECT_EQ(ends.at(0).error().code, Errc::Unimplemented);
  EXPECT_EQ(instance->faults().unknown_completions, 0U);
}

TEST_F(InstanceTest, CountsACompletionOfARefusedCallAndKeepsTheFirstAnswer) {
  begin();
  plugin.on_call = [&](const FakePlugin::Call& call) {
    plugin.complete(call.operation, BERTH_OK, "done");
    return BERTH_INVALID;
  };
  call();
  core.run();
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].value(), "done");
  EXPECT_EQ(instance->faults().unknown_completions, 1U);
}

TEST_F(InstanceTest, CountsASecondAndAnUnknownCompletionAndPassesNeitherOn) {
  begin();
  const std::uint64_t operation = call();
  plugin.complete(operation);
  plugin.complete(operation);
  plugin.complete(999999);
  core.run();
  EXPECT_EQ(ends.size(), 1U);
  EXPECT_EQ(instance->faults().unknown_completions, 2U);
  EXPECT_THAT(core.lines, ::testing::Contains(HasSubstr("not open")));
}

TEST_F(InstanceTest, AnswersDeadlineAndCancelsWhenTimeRunsOut) {
  begin();
  const std::uint64_t operation = call(seconds(5));
  EXPECT_EQ(plugin.calls.at(0).timeout_ms, 5000U);
  EXPECT_EQ(instance->next_sweep(), core.now + seconds(5));
  instance->sweep(core.now + seconds(4));
  core.run();
  EXPECT_TRUE(ends.empty());
  instance->sweep(core.now + seconds(5));
  core.run();
  EXPECT_EQ(ends.at(0).error().code, Errc::Deadline);
  EXPECT_THAT(plugin.cancelled, ElementsAre(operation));
  EXPECT_EQ(instance->calls_overdue(), 1U);
  EXPECT_EQ(instance->next_sweep(), std::nullopt);
}

TEST_F(InstanceTest, TakesTheLateCompletionOfAnOverdueCallSilently) {
  begin();
  const std::uint64_t operation = call(seconds(5));
  instance->sweep(core.now + seconds(6));
  plugin.complete(operation);
  core.run();
  EXPECT_EQ(ends.size(), 1U);
  EXPECT_EQ(instance->calls_overdue(), 0U);
  EXPECT_EQ(instance->faults().late_completions, 1U);
  EXPECT_EQ(instance->faults().unknown_completions, 0U);
}

TEST_F(InstanceTest, CancelReachesThePluginOnceAndOnlyForOpenCalls) {
  begin();
  const std::uint64_t operation = call();
  instance->cancel(operation);
  instance->cancel(12345);
  plugin.complete(operation, BERTH_CANCELLED);
  core.run();
  instance->cancel(operation);
  EXPECT_THAT(plugin.cancelled, ElementsAre(operation));
  EXPECT_EQ(ends.at(0).error().code, Errc::Cancelled);
}

TEST_F(InstanceTest, AnswersWhatDestroyLeavesOpenAndCountsIt) {
  begin();
  call();
  call();
  const std::uint64_t second = plugin.calls.at(1).operation;
  plugin.on_destroy = [&] { plugin.complete(second, BERTH_CANCELLED); };
  instance.reset();
  core.run();
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_EQ(ends[0].error().code, Errc::Cancelled);
  EXPECT_EQ(ends[1].error().code, Errc::Cancelled);
}

TEST_F(InstanceTest, SurvivesAPluginThatCallsAfterItsEnd) {
  begin();
  const std::uint64_t operation = call();
  instance.reset();
  plugin.complete(operation);
  plugin.emit(v1::EVENT_LAUNCH_TASK);
  plugin.log(BERTH_LOG_INFO, "still here");
  core.run();
  EXPECT_EQ(ends.size(), 1U);
  EXPECT_EQ(core.library->calls_after_end(), 3U);
  EXPECT_TRUE(core.events.empty());
}

TEST_F(InstanceTest, RefusesMoreOpenCallsThanTheLimit) {
  begin({.open_calls = 2});
  call();
  call();
  EXPECT_EQ(call(), 0U);
  core.run();
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].error().code, Errc::Unavailable);
  EXPECT_EQ(plugin.calls.size(), 2U);
}

TEST_F(InstanceTest, AnswersInsteadOfPassingOnAPayloadThatIsTooLarge) {
  begin();
  const std::string huge(BERTH_PAYLOAD_MAX + 1, 'x');
  plugin.complete(call(), BERTH_OK, huge);
  plugin.emit(v1::EVENT_LAUNCH_TASK, huge);
  plugin.host->emit(plugin.host->context, v1::EVENT_LAUNCH_TASK, {nullptr, 3});
  core.run();
  EXPECT_EQ(ends.at(0).error().code, Errc::Internal);
  EXPECT_EQ(instance->faults().oversized, 3U);
  EXPECT_TRUE(core.events.empty());
}

TEST_F(InstanceTest, SaysWhyCreateWasRefusedInThePluginsWords) {
  plugin.create_status = BERTH_INVALID;
  plugin.on_create = [&] { plugin.log(BERTH_LOG_ERROR, "listen: not a port"); };
  const auto made = core.create(plugin);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::Invalid);
  EXPECT_THAT(made.error().message, HasSubstr("listen: not a port"));
}

TEST_F(InstanceTest, PassesEventsOnInOrderAndQuestionsByTheirOwnWay) {
  begin();
  plugin.emit(v1::EVENT_LAUNCH_TASK, "1");
  plugin.emit(v1::EVENT_ASK, "q");
  plugin.emit(v1::EVENT_LAUNCH_TASK, "2");
  EXPECT_TRUE(core.events.empty());
  core.run();
  EXPECT_THAT(core.events, ElementsAre(std::pair(0x102U, std::string("1")),
                                       std::pair(0x102U, std::string("2"))));
  EXPECT_THAT(core.asks, ElementsAre("q"));
}

TEST_F(InstanceTest, DropsEventsBeforeActivate) {
  instance = core.create(plugin).value();
  plugin.emit(v1::EVENT_LAUNCH_TASK, "early");
  core.run();
  EXPECT_TRUE(core.events.empty());
  EXPECT_EQ(instance->faults().early_or_late_events, 1U);
}

TEST_F(InstanceTest, AnswersAfterTheEventsThatCameBefore) {
  Limits limits;
  limits.events_per_turn = 2;
  begin(limits);
  std::size_t seen = 0;
  const std::uint64_t operation =
      instance->call(v1::METHOD_LAUNCH_LOGS, "", {}, [&](const Result<std::string>& result) {
        EXPECT_TRUE(result);
        seen = core.events.size();
      });
  for (int i = 0; i < 7; ++i) plugin.emit(v1::EVENT_STREAM, "piece");
  plugin.complete(operation);
  plugin.emit(v1::EVENT_STREAM, "of another call");
  core.run();
  EXPECT_EQ(seen, 7U);
  EXPECT_EQ(core.events.size(), 8U);
}

TEST_F(InstanceTest, AnswersWhatWasCompletedThoughItsEventsAreDiscardedByTheEnd) {
  begin();
  const std::uint64_t operation = call();
  plugin.emit(v1::EVENT_STREAM, "piece");
  plugin.complete(operation, BERTH_OK, "done");
  instance.reset();
  core.run();
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].value(), "done");
  EXPECT_TRUE(core.events.empty());
}

TEST_F(InstanceTest, LetsTheLoopBreatheWithinAFlood) {
  begin({.events_per_turn = 10});
  for (int i = 0; i < 95; ++i) plugin.emit(v1::EVENT_LAUNCH_TASK, "x");
  EXPECT_EQ(core.run(), 10);
  EXPECT_EQ(core.events.size(), 95U);
}

TEST_F(InstanceTest, DropsAFloodBeyondItsRoomAndAsksForTheWholeAfterwards) {
  begin({.events = 100});
  for (int i = 0; i < 1000; ++i) plugin.emit(v1::EVENT_LAUNCH_TASK, "x");
  core.run();
  EXPECT_EQ(core.events.size(), 100U);
  EXPECT_EQ(instance->faults().dropped_events, 900U);
  ASSERT_EQ(plugin.calls.size(), 1U);
  EXPECT_EQ(plugin.calls[0].method, v1::METHOD_LAUNCH_LIST_OWNED);
  v1::ListOwnedResponse owned;
  owned.add_tasks()->set_task_id("a");
  plugin.complete(plugin.calls[0].operation, BERTH_OK, owned.SerializeAsString());
  core.run();
  v1::TaskReport report;
  ASSERT_TRUE(report.ParseFromString(core.events.back().second));
  EXPECT_EQ(report.task_id(), "a");
}

TEST_F(InstanceTest, AsksForTheWholeNoOftenerThanTheInterval) {
  begin({.events = 1});
  const auto flood = [&] {
    for (int i = 0; i < 3; ++i) plugin.emit(v1::EVENT_LAUNCH_TASK, "x");
    core.run();
  };
  flood();
  ASSERT_EQ(plugin.calls.size(), 1U);
  plugin.complete(plugin.calls[0].operation);
  flood();
  EXPECT_EQ(plugin.calls.size(), 1U);
  EXPECT_EQ(instance->next_sweep(), core.now + seconds(1));
  core.now += seconds(1);
  instance->sweep(core.now);
  EXPECT_EQ(plugin.calls.size(), 2U);
}

TEST_F(InstanceTest, KeepsRoomForReportsWhenStreamsFlood) {
  begin({.stream_bytes = 400});
  for (int i = 0; i < 10; ++i) plugin.emit(v1::EVENT_STREAM, std::string(50, 's'));
  plugin.emit(v1::EVENT_LAUNCH_TASK, "x");
  core.run();
  EXPECT_EQ(core.events.size(), 3U);
  EXPECT_EQ(core.events.back().first, static_cast<std::uint32_t>(v1::EVENT_LAUNCH_TASK));
}

TEST_F(InstanceTest, LosesNothingOfStreamsThatComeInManySmallPieces) {
  begin({.events = 2});
  for (int i = 0; i < 100; ++i) plugin.emit(v1::EVENT_STREAM, "s");
  for (int i = 0; i < 2; ++i) plugin.emit(v1::EVENT_LAUNCH_TASK, "x");
  core.run();
  EXPECT_EQ(core.events.size(), 102U);
  EXPECT_EQ(instance->faults().dropped_events, 0U);
}

TEST_F(InstanceTest, PutsAnInventoryTogetherFromItsParts) {
  begin();
  v1::InventorySnapshot part;
  part.set_generation(4);
  part.set_more(true);
  part.add_nodes()->set_id("a");
  plugin.emit(v1::EVENT_LAUNCH_INVENTORY, part.SerializeAsString());
  core.run();
  EXPECT_TRUE(core.events.empty());
  part.set_more(false);
  part.mutable_nodes(0)->set_id("b");
  plugin.emit(v1::EVENT_LAUNCH_INVENTORY, part.SerializeAsString());
  core.run();
  ASSERT_EQ(core.events.size(), 1U);
  v1::InventorySnapshot whole;
  ASSERT_TRUE(whole.ParseFromString(core.events[0].second));
  EXPECT_EQ(whole.generation(), 4U);
  ASSERT_EQ(whole.nodes_size(), 2);
  EXPECT_EQ(whole.nodes(1).id(), "b");
}

TEST_F(InstanceTest, GivesUpAnInventoryThatNeverEnds) {
  begin({.snapshot_bytes = 100});
  v1::InventorySnapshot part;
  part.set_more(true);
  part.add_nodes()->set_id(std::string(60, 'a'));
  plugin.emit(v1::EVENT_LAUNCH_INVENTORY, part.SerializeAsString());
  plugin.emit(v1::EVENT_LAUNCH_INVENTORY, part.SerializeAsString());
  core.run();
  EXPECT_TRUE(core.events.empty());
  EXPECT_EQ(instance->faults().oversized, 1U);
}

TEST_F(InstanceTest, WritesOneCleanLineForEachLineOfThePlugin) {
  begin();
  plugin.log(BERTH_LOG_INFO, "a\nforged \x1b[31mline");
  EXPECT_THAT(core.lines, ElementsAre("a forged  [31mline"));
}

TEST_F(InstanceTest, BoundsTheLinesOfASecondAndSaysHowManyWereDropped) {
  begin({.log_lines_per_second = 3});
  for (int i = 0; i < 10; ++i) plugin.log(BERTH_LOG_INFO, "x");
  EXPECT_EQ(core.lines.size(), 3U);
  EXPECT_EQ(core.run(), 1);
  EXPECT_EQ(instance->next_sweep(), core.now + seconds(1));
  instance->sweep(core.now + seconds(1));
  EXPECT_EQ(core.lines.back(), "7 lines of its log were dropped");
  EXPECT_EQ(instance->faults().dropped_log_lines, 7U);
}

}  // namespace
}  // namespace berth::plugins
