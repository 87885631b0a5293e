// SPDX-License-Identifier: Apache-2.0
// Reports, stops and starts: how a task goes from one state to the next, whatever gets lost.
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class LifecycleTest : public Bench {};

TEST_F(LifecycleTest, FollowsReportsForward) {
  ready();
  const TaskId id = placed();
  const std::int64_t version = task(id)->version;
  answer(v1::METHOD_LAUNCH_START, v1::Empty());
  EXPECT_TRUE(task(id)->start_acknowledged);
  EXPECT_EQ(task(id)->version, version) << "nothing that shows has changed";
  v1::TaskReport running = report_of(id, 2, v1::TASK_PHASE_RUNNING);
  running.mutable_started_at()->set_ms(1'700'000'005'000);
  running.add_containers()->set_name("main");
  running.mutable_containers(0)->set_last_status("RUNNING");
  report(running);
  EXPECT_EQ(task(id)->last_status, TaskStatus::Running);
  EXPECT_EQ(task(id)->version, version + 1);
  EXPECT_EQ(task(id)->started_at, Instant(milliseconds(1'700'000'005'000)));
  EXPECT_EQ(core->state().counts_of(ClusterName("default")).running, 1);

  v1::TaskReport stopped = report_of(id, 3, v1::TASK_PHASE_STOPPED);
  stopped.set_stop_code(v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  stopped.set_stopped_reason("Essential container in task exited");
  stopped.add_containers()->set_name("main");
  stopped.mutable_containers(0)->set_last_status("STOPPED");
  stopped.mutable_containers(0)->set_exit_code(3);
  report(stopped);
  EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(task(id)->desired_status, DesiredStatus::Stopped);
  EXPECT_EQ(task(id)->stop_code, StopCode::EssentialContainerExited);
  EXPECT_EQ(task(id)->stopped_reason, "Essential container in task exited");
  EXPECT_EQ(task(id)->report->containers(0).exit_code(), 3);
  EXPECT_TRUE(task(id)->stopping_at && task(id)->stopped_at);
  EXPECT_EQ(core->state().counts_of(ClusterName("default")).running, 0);
}

TEST_F(LifecycleTest, IgnoresOlderAndDoubledReportsAndNeverGoesBack) {
  ready();
  const TaskId id = running();
  const TaskPtr before = task(id);
  report(report_of(id, 10, v1::TASK_PHASE_STOPPED));
  report(report_of(id, 4, v1::TASK_PHASE_PENDING));
  EXPECT_EQ(task(id), before);
  report(report_of(id, 12, v1::TASK_PHASE_PENDING));
  EXPECT_EQ(task(id)->last_status, TaskStatus::Running);
  EXPECT_EQ(task(id)->version, before->version);
}

TEST_F(LifecycleTest, PassesThroughEveryStateInOrder) {
  ready();
  const TaskId id = placed();
  std::uint64_t sequence = 1;
  for (const auto phase :
       {v1::TASK_PHASE_ACTIVATING, v1::TASK_PHASE_RUNNING, v1::TASK_PHASE_DEACTIVATING,
        v1::TASK_PHASE_STOPPING, v1::TASK_PHASE_DEPROVISIONING, v1::TASK_PHASE_STOPPED}) {
    report(report_of(id, ++sequence, phase));
    EXPECT_EQ(static_cast<int>(task(id)->last_status), static_cast<int>(phase));
    EXPECT_EQ(task(id)->desired_status,
              phase > v1::TASK_PHASE_RUNNING ? DesiredStatus::Stopped : DesiredStatus::Running);
  }
}

TEST_F(LifecycleTest, TakesEveryStopCodeOver) {
  ready();
  const struct {
    v1::StopCode reported;
    StopCode recorded;
  } table[] = {{v1::STOP_CODE_TASK_FAILED_TO_START, StopCode::TaskFailedToStart},
               {v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED, StopCode::EssentialContainerExited},
               {v1::STOP_CODE_SERVICE_SCHEDULER_INITIATED, StopCode::ServiceSchedulerInitiated},
               {v1::STOP_CODE_SPOT_INTERRUPTION, StopCode::SpotInterruption},
               {v1::STOP_CODE_TERMINATION_NOTICE, StopCode::TerminationNotice}};
  for (const auto& row : table) {
    const TaskId id = running();
    v1::TaskReport stopped = report_of(id, 20, v1::TASK_PHASE_STOPPED);
    stopped.set_stop_code(row.reported);
    stopped.set_stopped_reason("because");
    report(stopped);
    EXPECT_EQ(task(id)->stop_code, row.recorded);
    EXPECT_EQ(task(id)->stopped_reason, "because");
  }
}

TEST_F(LifecycleTest, SaysWhyATaskEndedWhereTheReportDoesNot) {
  ready();
  const TaskId ran = running();
  report(report_of(ran, 20, v1::TASK_PHASE_STOPPED));
  EXPECT_EQ(task(ran)->stop_code, StopCode::EssentialContainerExited);
  EXPECT_EQ(task(ran)->stopped_reason, "Essential container in task exited");
  const TaskId never = placed();
  report(report_of(never, 1, v1::TASK_PHASE_STOPPED));
  EXPECT_EQ(task(never)->stop_code, StopCode::TaskFailedToStart);
  EXPECT_EQ(task(never)->stopped_reason, "Task failed to start");
}

TEST_F(LifecycleTest, HoldsReportsToTheDefinitionAndToLimits) {
  ready();
  const TaskId id = running();
  v1::TaskReport odd = report_of(id, 11, v1::TASK_PHASE_RUNNING);
  for (const char* name : {"main", "stranger", "main"}) odd.add_containers()->set_name(name);
  std::string reason(1023, 'x');
  reason += "\xc3\xa9 more";
  odd.mutable_containers(0)->set_reason(reason);
  odd.set_handle(std::string(5000, 'h'));
  report(odd);
  ASSERT_EQ(task(id)->report->containers_size(), 1);
  EXPECT_EQ(task(id)->report->containers(0).reason(), std::string(1023, 'x'));
  EXPECT_TRUE(task(id)->report->handle().empty());
}

TEST_F(LifecycleTest, IgnoresReportsFromAnotherPluginAnotherNodeOrAboutNothing) {
  ready();
  const TaskId id = running();
  const TaskPtr before = task(id);
  LaunchPlugin other = ec2();
  other.name = PluginName("other");
  core->plugin_up(other);
  v1::TaskReport stopped = report_of(id, 50, v1::TASK_PHASE_STOPPED);
  core->plugin_event(PluginName("other"), v1::EVENT_LAUNCH_TASK, stopped.SerializeAsString());
  stopped.set_node_id(kNode2);
  report(stopped);
  stopped.set_task_id("ffffffffffffffffffffffffffffffff");
  report(stopped);
  core->plugin_event(PluginName("ec2"), v1::EVENT_LAUNCH_TASK, "\xff\xff garbage");
  core->plugin_event(PluginName("nobody"), v1::EVENT_LAUNCH_TASK, "");
  core->plugin_event(PluginName("ec2"), 0x9999, "");
  settle();
  EXPECT_EQ(task(id), before);
}

TEST_F(LifecycleTest, StoresPullProgressNowhereAndShowsItToWatchers) {
  ready();
  const TaskId id = placed();
  answer(v1::METHOD_LAUNCH_START, v1::Empty());
  WatchTask watch;
  watch.task = id.str();
  const std::uint64_t cursor = ask(watch)->as<WatchTaskAnswer>().cursor;
  watch.cursor = cursor;
  watch.deadline = now + seconds(30);
  auto waiting = submit(watch);
  settle();
  EXPECT_FALSE(waiting->done());
  const std::string* stored = disk.find(store::Kind::Task, id.str());
  const std::string before = *stored;
  v1::TaskReport pulling = report_of(id, 5, v1::TASK_PHASE_PENDING);
  pulling.add_pulls()->set_container("main");
  pulling.mutable_pulls(0)->set_bytes_done(77);
  report(pulling);
  ASSERT_TRUE(waiting->done());
  const auto& answer = waiting->as<WatchTaskAnswer>();
  EXPECT_GT(answer.cursor, cursor);
  ASSERT_EQ(answer.pulls.size(), 1u);
  EXPECT_EQ(answer.pulls[0].bytes_done(), 77);
  EXPECT_EQ(*disk.find(store::Kind::Task, id.str()), before);
}

TEST_F(LifecycleTest, AnswersAWatchAtItsDeadlineWithTheTaskAsItIs) {
  ready();
  const TaskId id = running();
  WatchTask watch;
  watch.task = id.str();
  watch.cursor = ask(watch)->as<WatchTaskAnswer>().cursor;
  watch.deadline = now + seconds(5);
  auto waiting = submit(watch);
  settle();
  ASSERT_TRUE(wake.has_value());
  EXPECT_LE(*wake, watch.deadline);
  advance(seconds(4));
  EXPECT_FALSE(waiting->done());
  advance(seconds(1));
  ASSERT_TRUE(waiting->done());
  EXPECT_EQ(waiting->as<WatchTaskAnswer>().cursor, watch.cursor);
}

// ---- Starts

TEST_F(LifecycleTest, RepeatsAStartThatWasNotAnswered) {
  ready();
  for (const Errc code : {Errc::Unavailable, Errc::Deadline, Errc::Cancelled}) {
    const TaskId id = placed();
    refuse(v1::METHOD_LAUNCH_START, code, "?");
    EXPECT_EQ(task(id)->last_status, TaskStatus::Pending);
    EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 0);
    advance(seconds(1));
    refuse(v1::METHOD_LAUNCH_START, code, "?");
    advance(seconds(1));
    EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 0) << "the wait grows";
    advance(seconds(1));
    answer(v1::METHOD_LAUNCH_START, v1::Empty());
    EXPECT_TRUE(task(id)->start_acknowledged);
    report(report_of(id, 1, v1::TASK_PHASE_STOPPED));
  }
}

TEST_F(LifecycleTest, WaitsWithARepetitionAsLongAsThePluginAsks) {
  ready();
  const TaskId id = placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Unavailable, "in a while", seconds(90));
  advance(seconds(60));
  answer(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedResponse());  // looks at all tasks again
  advance(seconds(29));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 0);
  advance(seconds(1));
  answer(v1::METHOD_LAUNCH_START, v1::Empty());
  ask(stop_task(id));
  refuse(v1::METHOD_LAUNCH_STOP, Errc::Unavailable, "next year", std::chrono::hours(8760));
  advance(std::chrono::minutes(10));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1) << "no plugin makes a task hang";
}

TEST_F(LifecycleTest, DoesNotWaitWithAStopNorForWhatAPluginAskedBeforeItsEnd) {
  ready();
  const TaskId stopped = placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Unavailable, "in a while", seconds(90));
  ask(stop_task(stopped));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
  plugins.calls.clear();
  placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Unavailable, "in a while", seconds(90));
  core->plugin_down(PluginName("ec2"));
  core->plugin_up(ec2());
  settle();
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 1);
}

TEST_F(LifecycleTest, EndsATaskWhoseStartIsRefused) {
  ready();
  for (const Errc code : {Errc::Invalid, Errc::Precondition, Errc::NoCapacity, Errc::Denied,
                          Errc::NotFound, Errc::AlreadyExists, Errc::Unimplemented}) {
    const TaskId id = placed();
    refuse(v1::METHOD_LAUNCH_START, code, "ResourceInitializationError: no such thing");
    EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
    EXPECT_EQ(task(id)->stop_code, StopCode::TaskFailedToStart);
    EXPECT_EQ(task(id)->stopped_reason, "ResourceInitializationError: no such thing");
    EXPECT_EQ(core->state().reserved_on(NodeId(kNode)).cpu(), 0);
  }
}

TEST_F(LifecycleTest, AsksWhatHappenedWhenAStartBreaksInThePlugin) {
  ready();
  const TaskId lost = placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Internal, "it threw");
  EXPECT_EQ(task(lost)->last_status, TaskStatus::Pending);
  v1::RecoverResponse unknown;
  unknown.add_unknown(lost.str());
  answer(v1::METHOD_LAUNCH_RECOVER, unknown);
  EXPECT_EQ(task(lost)->stopped_reason, "it threw");

  const TaskId there = placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Internal, "it threw");
  v1::RecoverResponse known;
  *known.add_known() = report_of(there, 1, v1::TASK_PHASE_RUNNING);
  answer(v1::METHOD_LAUNCH_RECOVER, known);
  EXPECT_EQ(task(there)->last_status, TaskStatus::Running);
}

TEST_F(LifecycleTest, BelievesAReportMoreThanAFailedStart) {
  ready();
  const TaskId id = placed();
  report(report_of(id, 1, v1::TASK_PHASE_RUNNING));
  refuse(v1::METHOD_LAUNCH_START, Errc::Precondition, "late");
  EXPECT_EQ(task(id)->last_status, TaskStatus::Running);
}

TEST_F(LifecycleTest, SendsAStartAgainAfterARestart) {
  ready();
  const TaskId id = placed();
  crash();
  EXPECT_EQ(task(id)->last_status, TaskStatus::Pending);
  core->plugin_up(ec2());
  settle();
  v1::StartTaskRequest start;
  ASSERT_TRUE(start.ParseFromString(plugins.take(v1::METHOD_LAUNCH_START).request));
  EXPECT_EQ(start.task_id(), id.str());
}

// ---- Stops

TEST_F(LifecycleTest, StopsATaskWithTheCallersReason) {
  ready();
  const TaskId id = running();
  StopTask command = stop_task(id);
  command.request.set_reason("enough");
  const auto asked = ask(command);
  EXPECT_EQ(asked->as<TaskPtr>()->desired_status, DesiredStatus::Stopped);
  EXPECT_EQ(asked->as<TaskPtr>()->last_status, TaskStatus::Running);
  v1::StopTaskRequest stop;
  ASSERT_TRUE(stop.ParseFromString(plugins.calls.front().request));
  EXPECT_EQ(stop.task_id(), id.str());
  EXPECT_EQ(stop.reason(), "enough");
  answer(v1::METHOD_LAUNCH_STOP, v1::Empty());
  v1::TaskReport stopped = report_of(id, 20, v1::TASK_PHASE_STOPPED);
  stopped.set_stop_code(v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  stopped.set_stopped_reason("Essential container in task exited");
  report(stopped);
  EXPECT_EQ(task(id)->stop_code, StopCode::UserInitiated);
  EXPECT_EQ(task(id)->stopped_reason, "enough");
}

TEST_F(LifecycleTest, StoppingTwiceIsStoppingOnceAndTheFirstReasonStays) {
  ready();
  const TaskId id = running();
  ask(stop_task(id));
  const TaskPtr before = task(id);
  EXPECT_EQ(before->stopped_reason, "Task stopped by user");
  StopTask again = stop_task(id);
  again.request.set_reason("another");
  EXPECT_EQ(ask(again)->as<TaskPtr>(), before);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
  answer(v1::METHOD_LAUNCH_STOP, v1::Empty());
  report(report_of(id, 20, v1::TASK_PHASE_STOPPED));
  EXPECT_EQ(ask(stop_task(id))->as<TaskPtr>()->last_status, TaskStatus::Stopped);
}

TEST_F(LifecycleTest, NamesTasksByIdOrArnAndRefusesOthers) {
  ready();
  const TaskId id = running();
  const std::string arn = "arn:aws:ecs:us-east-1:000000000000:task/";
  for (const std::string& name : {std::string("ffffffffffffffffffffffffffffffff"),
                                  arn + "elsewhere/" + id.str(), std::string("x")}) {
    StopTask command;
    command.request.set_task(name);
    const auto asked = ask(command);
    EXPECT_EQ(asked->error().message, "The referenced task was not found.") << name;
    EXPECT_EQ(asked->error().subject, Subject::Task);
  }
  StopTask command;
  command.request.set_task(arn + "default/" + id.str());
  EXPECT_TRUE(*ask(command)->answer);
}

TEST_F(LifecycleTest, EndsATaskAtOnceWhoseStartHasNeverLeft) {
  ready();
  auto asked = submit(run_task());
  tick();  // recorded, not durable
  const TaskId id = *core->state().tasks_of(ClusterName("default")).rbegin();
  std::vector<TaskId> fresh;
  for (const auto& [one, record] : core->state().tasks()) {
    if (record->last_status != TaskStatus::Stopped) fresh.push_back(one);
  }
  ASSERT_EQ(fresh.size(), 1u) << id.str();
  auto stopped = submit(stop_task(fresh[0]));
  settle();
  EXPECT_TRUE(asked->done());
  EXPECT_TRUE(stopped->done());
  EXPECT_EQ(task(fresh[0])->last_status, TaskStatus::Stopped);
  EXPECT_EQ(task(fresh[0])->stop_code, StopCode::UserInitiated);
  EXPECT_TRUE(plugins.calls.empty()) << "the plugin never hears of it";
}

TEST_F(LifecycleTest, WaitsForTheAnswerToAStartBeforeItStops) {
  ready();
  const TaskId id = placed();
  ask(stop_task(id));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 0);
  answer(v1::METHOD_LAUNCH_START, v1::Empty());
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
}

TEST_F(LifecycleTest, StopsWhatMayHaveStartedAndBelievesThatItDidNotOnlyWhenAsked) {
  ready();
  const TaskId id = placed();
  refuse(v1::METHOD_LAUNCH_START, Errc::Deadline, "?");
  ask(stop_task(id));
  refuse(v1::METHOD_LAUNCH_STOP, Errc::NotFound, "no such task");
  EXPECT_NE(task(id)->last_status, TaskStatus::Stopped);
  v1::RecoverResponse unknown;
  unknown.add_unknown(id.str());
  answer(v1::METHOD_LAUNCH_RECOVER, unknown);
  EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(task(id)->stop_code, StopCode::UserInitiated);
  EXPECT_EQ(task(id)->stopped_reason, "Task stopped by user");
}

TEST_F(LifecycleTest, StopsATaskOnceItsPluginIsBack) {
  ready();
  const TaskId id = running();
  core->plugin_down(PluginName("ec2"));
  EXPECT_EQ(ask(stop_task(id))->as<TaskPtr>()->desired_status, DesiredStatus::Stopped);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 0);
  crash();
  core->plugin_up(ec2());
  settle();
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
}

TEST_F(LifecycleTest, RepeatsAStopUntilItIsTaken) {
  ready();
  const TaskId id = running();
  ask(stop_task(id));
  refuse(v1::METHOD_LAUNCH_STOP, Errc::Unavailable, "the host is away");
  advance(seconds(1));
  answer(v1::METHOD_LAUNCH_STOP, v1::Empty());
  advance(seconds(30));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 0);
  EXPECT_NE(task(id)->last_status, TaskStatus::Stopped) << "only a report ends it";
}

TEST_F(LifecycleTest, StopsAgainWhatRunsThoughItIsRecordedAsStopped) {
  ready();
  const TaskId id = running();
  snapshot({}, 9);  // its node is gone for good
  settle();
  EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  EXPECT_THAT(task(id)->stopped_reason, HasSubstr("Host EC2 (instance i-e0) terminated"));
  EXPECT_FALSE(task(id)->stop_code);
  report(report_of(id, 30, v1::TASK_PHASE_RUNNING));
  EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
}

}  // namespace
}  // namespace berth::control
