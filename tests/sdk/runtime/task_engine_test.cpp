// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/engine.hpp"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <thread>

#include "tests/sdk/runtime/fake_host.hpp"
#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using testing::FakeHost;
using testing::kTaskId;
using testing::Machine;
using testing::request_of;

constexpr std::chrono::seconds kPatience{20};

v1::StopTaskRequest stop_of(const std::string& task_id) {
  v1::StopTaskRequest request;
  request.set_task_id(task_id);
  request.set_reason("enough");
  return request;
}

std::string id_of(int number) {
  char text[33];
  std::snprintf(text, sizeof text, "%032x", static_cast<unsigned>(number));
  return text;
}

// An engine on a machine in memory; reopen() is the agent's restart.
class TaskEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "berth-task-engine-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    open();
  }
  void TearDown() override {
    close();
    fs::remove_all(directory_);
  }

  void open() {
    auto store = TaskStore::open(directory_ / "tasks.db");
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    host_ = std::make_unique<FakeHost>(machine_);
    auto engine = TaskEngine::open(options_, *store_, *host_, [this](const v1::TaskReport& report) {
      const std::lock_guard lock(mutex_);
      reports_.push_back(report);
      moved_.notify_all();
    });
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
  }
  void close() {
    engine_.reset();
    host_.reset();
    store_.reset();
  }
  void reopen() {
    close();
    open();
  }

  // While no agent runs: a task whose container was sent its stop signal at that time and goes on, on disk and on the machine.
  void leave_signalled(std::int64_t signal_ms) {
    close();
    const auto request = request_of({{.name = "web", .stop_timeout = 2}});
    const auto plan = plan_task(request, {});
    ASSERT_TRUE(plan);
    TaskState state = new_task(*plan);
    state.set_started_ms(1);
    state.set_stop_wanted(true);
    state.set_stopping_ms(1);
    auto& container = *state.mutable_containers(0);
    container.set_phase(ContainerState::PHASE_RUNNING);
    container.set_launched(true);
    container.set_started_ms(1);
    container.set_signal_ms(signal_ms);
    container.set_signal_sent(true);
    auto store = TaskStore::open(directory_ / "tasks.db");
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->commit({.added = {&request}, .updated = {{&kTaskId, &state}}, .ended = {}, .dropped = {}}));
    auto& left = machine_.containers[kTaskId + "/web"];
    left.running = true;
    left.runs = left.runs_in_run = 1;
  }
  // While no agent runs: a task that was about to be launched in that boot of the host.
  void leave_launching(const std::string& boot_id) {
    close();
    const auto request = request_of({{.name = "web"}});
    const auto plan = plan_task(request, {});
    ASSERT_TRUE(plan);
    TaskState state = new_task(*plan);
    state.mutable_containers(0)->set_phase(ContainerState::PHASE_LAUNCHING);
    state.mutable_containers(0)->set_launched(true);
    mark_launches(state, boot_id);
    auto store = TaskStore::open(directory_ / "tasks.db");
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->commit({.added = {&request}, .updated = {{&kTaskId, &state}}, .ended = {}, .dropped = {}}));
  }
  // While no agent runs: from now on the disk takes no news of tasks, or does again.
  void refuse_updates(bool refuse) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((directory_ / "tasks.db").c_str(), &database), SQLITE_OK);
    const char* sql = refuse ? "CREATE TRIGGER full BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'full'); END"
                             : "DROP TRIGGER full";
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  // Waits for the first report, of those from now or before, that fits.
  template <typename Fits>
  v1::TaskReport await(const Fits& fits) {
    std::unique_lock lock(mutex_);
    v1::TaskReport found;
    const bool came = moved_.wait_for(lock, kPatience, [&] {
      for (const auto& report : reports_) {
        if (!fits(report)) continue;
        found = report;
        return true;
      }
      return false;
    });
    EXPECT_TRUE(came) << "no such report";
    return found;
  }
  v1::TaskReport await_phase(v1::TaskPhase phase, const std::string& task_id = kTaskId) {
    return await([&](const v1::TaskReport& r) { return r.task_id() == task_id && r.phase() == phase; });
  }
  void forget_reports() {
    const std::lock_guard lock(mutex_);
    reports_.clear();
  }
  template <typename Fits>
  bool await_machine(const Fits& fits) {
    std::unique_lock lock(machine_.mutex);
    return machine_.moved.wait_for(lock, kPatience, [&] { return fits(machine_); });
  }

  EngineOptions options_;
  fs::path directory_;
  Machine machine_;
  std::unique_ptr<TaskStore> store_;
  std::unique_ptr<FakeHost> host_;
  std::unique_ptr<TaskEngine> engine_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::vector<v1::TaskReport> reports_;
};

TEST_F(TaskEngineTest, RunsATaskToItsEnd) {
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  host_->exit(kTaskId + "/web", 3);
  const auto last = await_phase(v1::TASK_PHASE_STOPPED);
  EXPECT_EQ(last.containers(0).exit_code(), 3);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
}

TEST_F(TaskEngineTest, ReportsGrowInSequenceAlsoOverRestarts) {
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  reopen();
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  await_phase(v1::TASK_PHASE_STOPPED);
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 1; i < reports_.size(); ++i) {
    EXPECT_LT(reports_[i - 1].sequence(), reports_[i].sequence());
    EXPECT_LE(reports_[i - 1].phase(), reports_[i].phase());
  }
}

TEST_F(TaskEngineTest, StartsATaskOnceHoweverOftenItIsAsked) {
  const auto request = request_of({{.name = "web"}});
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&] { EXPECT_TRUE(engine_->start(request)); });
  for (auto& caller : callers) caller.join();
  await_phase(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  await_phase(v1::TASK_PHASE_STOPPED);
  EXPECT_TRUE(engine_->start(request)) << "stopped, and still known";
  reopen();
  EXPECT_TRUE(engine_->start(request));
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].runs, 1);
}

TEST_F(TaskEngineTest, RefusesAForgottenTask) {
  const auto request = request_of({{.name = "web"}});
  ASSERT_TRUE(engine_->start(request));
  await_phase(v1::TASK_PHASE_RUNNING);
  engine_->forget({kTaskId});
  EXPECT_EQ(engine_->list().size(), 1U) << "it has not stopped";
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  await_phase(v1::TASK_PHASE_STOPPED);
  engine_->forget({kTaskId, "unknown"});
  EXPECT_TRUE(engine_->list().empty());
  reopen();
  auto again = engine_->start(request);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().status, BERTH_ALREADY_EXISTS);
  EXPECT_TRUE(engine_->stop(stop_of(kTaskId))) << "stopping what has ended is fine";
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].runs, 1);
}

TEST_F(TaskEngineTest, SaysThatItDoesNotKnowATask) {
  auto stopped = engine_->stop(stop_of(kTaskId));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().status, BERTH_NOT_FOUND);
}

TEST_F(TaskEngineTest, FindsRunningContainersAgain) {
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  reopen();
  EXPECT_TRUE(machine_.swept_for.contains(kTaskId));
  ASSERT_EQ(engine_->list().size(), 1U);
  EXPECT_EQ(engine_->list()[0].phase(), v1::TASK_PHASE_RUNNING);
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].runs, 1);
  host_->exit(kTaskId + "/web", 5);
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).containers(0).exit_code(), 5);
}

TEST_F(TaskEngineTest, LearnsOfAnEndThatCameWhileItWasAway) {
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  close();
  machine_.containers[kTaskId + "/web"].running = false;
  machine_.containers[kTaskId + "/web"].exit_code = 9;
  open();
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).containers(0).exit_code(), 9);
}

TEST_F(TaskEngineTest, TellsThePullsFailure) {
  machine_.pull_failure = "CannotPullContainerError: no such tag";
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  const auto last = await_phase(v1::TASK_PHASE_STOPPED);
  EXPECT_EQ(last.stopped_reason(), "CannotPullContainerError: no such tag");
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
}

TEST_F(TaskEngineTest, GivesUpAPullWhenTheTaskIsStopped) {
  machine_.hold_pulls = true;
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  ASSERT_TRUE(await_machine([](const Machine& m) { return m.pulls == 1; }));
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).stopped_reason(), "enough");
  EXPECT_TRUE(await_machine([](const Machine& m) { return m.pulls == 0; }));
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].runs, 0);
}

TEST_F(TaskEngineTest, GivesUpALaunchThatWaitsWhenTheTaskIsStopped) {
  machine_.hold_launches = true;
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  ASSERT_TRUE(await_machine([](const Machine& m) { return m.held_launches == 1; }));
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).containers(0).reason(), "");
}

TEST_F(TaskEngineTest, EndsWhileALaunchWaitsAndBeginsItAgain) {
  machine_.hold_launches = true;
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  ASSERT_TRUE(await_machine([](const Machine& m) { return m.held_launches == 1; }));
  close();  // would hang
  machine_.hold_launches = false;
  open();
  await_phase(v1::TASK_PHASE_RUNNING);
}

TEST_F(TaskEngineTest, KillsWhatIgnoresTheStopSignal) {
  machine_.ignore_sigterm = true;
  ASSERT_TRUE(engine_->start(request_of({{.name = "web", .stop_timeout = 1}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(engine_->stop(stop_of(kTaskId)));
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).containers(0).exit_code(), 137);
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].signals, (std::vector<int>{15, 9}));
}

TEST_F(TaskEngineTest, KillsAtADeadlineThatPassesWhileTheAgentStarts) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(3);
  leave_signalled(std::chrono::duration_cast<std::chrono::milliseconds>(deadline.time_since_epoch()).count() - 2'000);
  machine_.sweep_lasts_until = deadline + std::chrono::milliseconds(100);
  open();
  ASSERT_LT(machine_.sweep_began, deadline) << "it passed before the agent looked at its tasks, which proves nothing";
  EXPECT_EQ(await_phase(v1::TASK_PHASE_STOPPED).containers(0).exit_code(), 137);
}

TEST_F(TaskEngineTest, BeginsALaunchOfTheSameBootAgain) {
  leave_launching("this boot");
  options_.boot_id = "this boot";
  open();
  await_phase(v1::TASK_PHASE_RUNNING);
}

TEST_F(TaskEngineTest, DoesNotBeginALaunchAgainAfterThePowerWasLost) {
  leave_launching("the boot before");
  options_.boot_id = "this boot";
  open();
  const auto stopped = await_phase(v1::TASK_PHASE_STOPPED);
  EXPECT_THAT(stopped.containers(0).reason(), ::testing::HasSubstr("the host went down"));
  EXPECT_EQ(machine_.containers[kTaskId + "/web"].runs, 0);
}

TEST_F(TaskEngineTest, TellsOfItsTasksAlsoWhenTheDiskTakesNothingNew) {
  leave_signalled(1);
  refuse_updates(true);
  open();
  ASSERT_EQ(engine_->list().size(), 1U);
  EXPECT_EQ(engine_->list()[0].task_id(), kTaskId);
  EXPECT_EQ(engine_->list()[0].phase(), v1::TASK_PHASE_STOPPING);
  close();
  refuse_updates(false);
  open();
  await_phase(v1::TASK_PHASE_STOPPED);
}

TEST_F(TaskEngineTest, DropsLogsAfterTheCleanupWait) {
  close();
  options_.cleanup_wait = std::chrono::milliseconds(1);
  open();
  ASSERT_TRUE(engine_->start(request_of({{.name = "web"}})));
  await_phase(v1::TASK_PHASE_RUNNING);
  host_->exit(kTaskId + "/web", 0);
  EXPECT_TRUE(await_machine([](const Machine& m) { return m.dropped_logs.contains(kTaskId); }));
}

TEST_F(TaskEngineTest, AnswersUnavailableAfterShutdown) {
  engine_->shutdown();
  auto started = engine_->start(request_of({{.name = "web"}}));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().status, BERTH_UNAVAILABLE);
}

std::size_t thread_count() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task")) ++count;
  return count;
}

TEST_F(TaskEngineTest, HoldsAThousandTasksWithoutAThousandThreads) {
  const std::size_t before = thread_count();
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(engine_->start(request_of({{.name = "web"}}, id_of(i))));
  for (int i = 0; i < 1'000; ++i) await_phase(v1::TASK_PHASE_RUNNING, id_of(i));
  EXPECT_EQ(thread_count(), before);
  EXPECT_EQ(engine_->list().size(), 1'000U);
  const std::lock_guard lock(machine_.mutex);
  EXPECT_LE(machine_.most_pulls, 3);
}

}  // namespace
}  // namespace berth::runtime
