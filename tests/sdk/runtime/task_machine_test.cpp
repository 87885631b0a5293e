// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "sdk/runtime/task/text.hpp"
#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Box;
using testing::request_of;
using Kind = Action::Kind;

// A task on virtual time.
class Driven {
 public:
  explicit Driven(const std::vector<Box>& boxes)
      : request(request_of(boxes)), plan(plan_task(request, {}).value()), state(new_task(plan)) {}

  void tell(const Fact& fact) { step(plan, state, fact, {now}); }
  void pass(std::int64_t ms) {
    now += ms;
    step(plan, state, {now});
  }
  void pulled(std::size_t i) {
    tell(PullEnded{.container = i, .failure = {}, .image_digest = "sha256:d", .image_id = "sha256:i",
                   .stop_signal = 0, .began_ms = now});
  }
  void started(std::size_t i) {
    LaunchEnded fact;
    fact.container = i;
    fact.outcome = LaunchEnded::Outcome::Started;
    fact.run = run_of(i);
    tell(fact);
  }
  void exited(std::size_t i, int code) {
    tell(Exited{.container = i, .exit_code = code, .at_ms = now, .run = run_of(i)});
  }
  [[nodiscard]] std::uint32_t run_of(std::size_t i) const { return state.containers(static_cast<int>(i)).restart_count(); }
  void removed(std::size_t i) { tell(RemoveEnded{i, true}); }
  [[nodiscard]] std::vector<Action> actions() const { return wanted(plan, state, {now}); }
  [[nodiscard]] bool wants(Kind kind, std::size_t i) const {
    const auto all = actions();
    return std::find(all.begin(), all.end(), Action{kind, i}) != all.end();
  }
  [[nodiscard]] v1::TaskReport told() const { return report(request, state); }
  void run(std::size_t i) {
    pulled(i);
    started(i);
  }

  v1::StartTaskRequest request;
  TaskPlan plan;
  TaskState state;
  std::int64_t now = 1'000'000;
};

TEST(TaskMachine, RunsATaskThroughAllItsPhases) {
  Driven task({{.name = "web"}});
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Pull, 0}));
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_PENDING);
  task.pulled(0);
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Launch, 0}));
  task.pass(10);
  task.started(0);
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Watch, 0}));
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING);
  EXPECT_EQ(task.told().started_at().ms(), task.now);
  EXPECT_EQ(task.told().containers(0).image_digest(), "sha256:d");
  task.pass(10);
  task.exited(0, 3);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_STOPPING);
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Remove, 0}));
  task.removed(0);
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Cleanup, 0}));
  task.tell(CleanupEnded{true});
  EXPECT_THAT(task.actions(), IsEmpty());
  const auto told = task.told();
  EXPECT_EQ(told.phase(), v1::TASK_PHASE_STOPPED);
  EXPECT_EQ(told.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  EXPECT_EQ(told.stopped_reason(), "Essential container in task exited");
  EXPECT_EQ(told.containers(0).exit_code(), 3);
  EXPECT_EQ(told.execution_stopped_at().ms(), task.now);
  EXPECT_TRUE(is_over(task.state));
}

TEST(TaskMachine, IsRunningOnlyWhenEveryContainerIs) {
  Driven task({{.name = "a"}, {.name = "b"}});
  task.run(0);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_PENDING);
  EXPECT_FALSE(task.told().has_pull_stopped_at());
  task.run(1);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING);
  EXPECT_TRUE(task.told().has_pull_stopped_at());
}

TEST(TaskMachine, GoesOnWhenAContainerThatIsNotEssentialEnds) {
  Driven task({{.name = "web"}, {.name = "side", .essential = false}});
  task.run(0);
  task.run(1);
  task.exited(1, 1);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING);
  EXPECT_EQ(task.told().containers(1).last_status(), "STOPPED");
  EXPECT_TRUE(task.wants(Kind::Remove, 1));
}

TEST(TaskMachine, FailsToStartWithTheReasonOfThePull) {
  Driven task({{.name = "web"}, {.name = "other"}});
  task.run(1);
  task.tell(PullEnded{.container = 0, .failure = "CannotPullContainerError: not found", .image_digest = {},
                      .image_id = {}});
  EXPECT_EQ(task.told().stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_EQ(task.told().stopped_reason(), "CannotPullContainerError: not found");
  EXPECT_FALSE(task.told().containers(0).has_exit_code());
  EXPECT_TRUE(task.wants(Kind::Signal, 1));
  EXPECT_FALSE(task.wants(Kind::Remove, 0)) << "nothing of it was ever made";
}

TEST(TaskMachine, TellsTheReasonOfAFailedLaunchWithoutAnExitCode) {
  Driven task({{.name = "web"}});
  task.pulled(0);
  LaunchEnded fact;
  fact.failure = "CannotStartContainerError: no such program";
  task.tell(fact);
  EXPECT_EQ(task.told().stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_EQ(task.told().containers(0).reason(), "CannotStartContainerError: no such program");
  EXPECT_FALSE(task.told().containers(0).has_exit_code());
  EXPECT_TRUE(task.wants(Kind::Remove, 0)) << "a failed launch may have left something";
}

TEST(TaskMachine, CreatesADependentWhenItsDependencyRunsOrHasRun) {
  Driven task({{.name = "db", .essential = false}, {.name = "web", .needs = {{"db", "START"}}}});
  task.pulled(1);
  EXPECT_FALSE(task.wants(Kind::Launch, 1));
  task.run(0);
  EXPECT_TRUE(task.wants(Kind::Launch, 1));
  Driven late({{.name = "db", .essential = false}, {.name = "web", .needs = {{"db", "START"}}}});
  late.run(0);
  late.exited(0, 9);
  late.pulled(1);
  EXPECT_TRUE(late.wants(Kind::Launch, 1));
}

TEST(TaskMachine, WaitsForSuccessAlongAChain) {
  Driven task({{.name = "a", .essential = false},
               {.name = "b", .essential = false, .needs = {{"a", "SUCCESS"}}},
               {.name = "c", .needs = {{"b", "COMPLETE"}}}});
  for (std::size_t i = 0; i < 3; ++i) task.pulled(i);
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Launch, 0}));
  task.started(0);
  EXPECT_FALSE(task.wants(Kind::Launch, 1));
  task.exited(0, 0);
  EXPECT_TRUE(task.wants(Kind::Launch, 1));
  EXPECT_FALSE(task.wants(Kind::Launch, 2));
  task.started(1);
  task.exited(1, 5);
  EXPECT_TRUE(task.wants(Kind::Launch, 2));
  task.started(2);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING);
}

TEST(TaskMachine, GivesADependentOfAFailedDependencyExitCode143) {
  Driven task({{.name = "init", .essential = false}, {.name = "web", .needs = {{"init", "SUCCESS"}}}});
  task.run(0);
  task.pulled(1);
  task.exited(0, 4);
  const auto told = task.told();
  EXPECT_EQ(told.containers(1).last_status(), "STOPPED");
  EXPECT_EQ(told.containers(1).exit_code(), 143);
  EXPECT_THAT(told.containers(1).reason(), HasSubstr("CannotStartContainerError: dependency container 'init'"));
  EXPECT_EQ(told.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_FALSE(told.has_started_at());
}

TEST(TaskMachine, FailsADependentWhoseDependencyNeverStarts) {
  Driven task({{.name = "init", .essential = false},
               {.name = "side", .essential = false, .needs = {{"init", "START"}}},
               {.name = "web"}});
  task.run(2);
  task.tell(PullEnded{.container = 0, .failure = "CannotPullContainerError: x", .image_digest = {}, .image_id = {}});
  EXPECT_EQ(task.told().containers(1).exit_code(), 143);
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING) << "neither is essential";
}

TEST(TaskMachine, CountsStartTimeoutFromTheStartOfTheDependency) {
  Driven task({{.name = "init", .essential = false, .start_timeout = 5},
               {.name = "web", .needs = {{"init", "SUCCESS"}}}});
  task.pass(60'000);
  task.run(0);
  task.pulled(1);
  ASSERT_TRUE(next_wake(task.plan, task.state, {task.now}));
  EXPECT_EQ(next_wake(task.plan, task.state, {task.now})->ms, task.now + 5'000);
  task.pass(4'999);
  EXPECT_FALSE(task.told().containers(1).has_exit_code());
  task.pass(1);
  EXPECT_EQ(task.told().containers(1).exit_code(), 143);
  EXPECT_THAT(task.told().containers(1).reason(), HasSubstr("startTimeout of 5 s"));
}

TEST(TaskMachine, StopsInReverseOrderOfDependencies) {
  Driven task({{.name = "db"}, {.name = "app", .needs = {{"db", "START"}}}, {.name = "lone"}});
  for (std::size_t i = 0; i < 3; ++i) task.run(i);
  task.tell(StopRequested{"enough", false});
  EXPECT_TRUE(task.wants(Kind::Signal, 1));
  EXPECT_TRUE(task.wants(Kind::Signal, 2));
  EXPECT_FALSE(task.wants(Kind::Signal, 0));
  task.exited(1, 143);
  EXPECT_TRUE(task.wants(Kind::Signal, 0));
  EXPECT_EQ(task.told().stopped_reason(), "enough");
  EXPECT_EQ(task.told().stop_code(), v1::STOP_CODE_USER_INITIATED);
}

TEST(TaskMachine, KillsAfterStopTimeoutAndAgainUntilItIsGone) {
  Driven task({{.name = "web", .stop_timeout = 2}});
  task.run(0);
  task.tell(StopRequested{});
  task.tell(SignalEnded{0, false, true});
  EXPECT_THAT(task.actions(), ElementsAre(Action{Kind::Watch, 0}));
  EXPECT_EQ(next_wake(task.plan, task.state, {task.now})->ms, task.now + 2'000);
  task.pass(2'000);
  EXPECT_TRUE(task.wants(Kind::Kill, 0));
  task.tell(SignalEnded{0, true, true});
  EXPECT_FALSE(task.wants(Kind::Kill, 0));
  task.pass(5'000);
  EXPECT_TRUE(task.wants(Kind::Kill, 0));
  task.exited(0, 137);
  EXPECT_FALSE(task.wants(Kind::Kill, 0));
  EXPECT_EQ(task.told().containers(0).exit_code(), 137);
}

TEST(TaskMachine, KillsAtOnceAndTogetherWhenForced) {
  Driven task({{.name = "db"}, {.name = "app", .needs = {{"db", "START"}}}});
  task.run(0);
  task.run(1);
  task.tell(StopRequested{"r", true});
  EXPECT_TRUE(task.wants(Kind::Kill, 0));
  EXPECT_TRUE(task.wants(Kind::Kill, 1));
}

TEST(TaskMachine, ForcesAStopThatIsUnderWay) {
  Driven task({{.name = "web"}});
  task.run(0);
  task.tell(StopRequested{"first", false});
  task.tell(StopRequested{"second", true});
  EXPECT_TRUE(task.wants(Kind::Kill, 0));
  EXPECT_EQ(task.told().stopped_reason(), "first");
}

TEST(TaskMachine, NeverBeginsAContainerOfATaskThatIsBeingStopped) {
  Driven task({{.name = "a"}, {.name = "b"}, {.name = "c"}});
  task.pulled(0);  // being launched
  task.pulled(1);
  task.started(1);
  task.tell(StopRequested{});
  EXPECT_TRUE(task.wants(Kind::FindLaunch, 0)) << "may have run: has to be found out";
  EXPECT_FALSE(task.wants(Kind::Launch, 0));
  EXPECT_FALSE(task.wants(Kind::Pull, 2));
  EXPECT_EQ(task.told().containers(2).last_status(), "STOPPED");
  EXPECT_FALSE(task.told().containers(2).has_exit_code());
  task.pulled(2);  // late
  EXPECT_EQ(task.told().containers(2).last_status(), "STOPPED");
  LaunchEnded nothing;
  nothing.outcome = LaunchEnded::Outcome::NotStarted;
  task.tell(nothing);
  EXPECT_EQ(task.told().containers(0).last_status(), "STOPPED");
  EXPECT_FALSE(task.told().containers(0).has_exit_code());
}

TEST(TaskMachine, TellsOutOfMemoryApart) {
  Driven task({{.name = "web"}});
  task.run(0);
  task.tell(Exited{.container = 0, .exit_code = 137, .out_of_memory = true});
  EXPECT_EQ(task.told().containers(0).reason(), "OutOfMemoryError: Container killed due to memory usage");
  EXPECT_EQ(task.told().containers(0).exit_code(), 137);
}

TEST(TaskMachine, HasNoExitCodeForAContainerWhoseMonitorVanished) {
  Driven task({{.name = "web"}});
  task.run(0);
  task.tell(Exited{.container = 0, .exit_code = std::nullopt});
  EXPECT_FALSE(task.told().containers(0).has_exit_code());
  EXPECT_THAT(task.told().containers(0).reason(), HasSubstr("ContainerVanishedError"));
}

TEST(TaskMachine, IsStoppedOnlyWhenCleanedUpOrAfterSeveralFailures) {
  Driven task({{.name = "web"}});
  task.run(0);
  task.exited(0, 0);
  task.tell(RemoveEnded{0, false});
  EXPECT_THAT(task.actions(), IsEmpty()) << "the next attempt waits";
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_STOPPING);
  for (int i = 0; i < 2; ++i) {
    task.now = next_wake(task.plan, task.state, {task.now})->ms;
    EXPECT_TRUE(task.wants(Kind::Remove, 0));
    task.tell(RemoveEnded{0, false});
  }
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_STOPPED);
  EXPECT_FALSE(is_over(task.state));
  task.pass(120'000);
  EXPECT_TRUE(task.wants(Kind::Remove, 0)) << "the attempts go on";
}

TEST(TaskMachine, IsForgottenOnlyAfterItsEnd) {
  Driven task({{.name = "web"}});
  task.tell(Forgotten{});
  EXPECT_FALSE(task.state.forgotten());
}

TEST(TaskMachine, TellsReasonsThatAreTextWhateverARuntimePrinted) {
  Driven task({{.name = "web"}});
  task.pulled(0);
  LaunchEnded fact;
  fact.failure = "CannotStartContainerError: \xff\xc3\xa9\n\x01" + std::string(5'000, 'x');
  task.tell(fact);
  EXPECT_THAT(task.told().containers(0).reason(), ::testing::StartsWith("CannotStartContainerError: ?\xc3\xa9 ?xx"));
  EXPECT_EQ(task.told().containers(0).reason().size(), 1024U);
  EXPECT_EQ(clean_text("ab\xc3\xa9", 3), "ab") << "never half a character";
  EXPECT_EQ(clean_text("\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80"), std::string(9, '?'));
}

// ---- Properties, over random tasks and random histories

std::vector<Box> random_boxes(std::mt19937& random) {
  std::vector<Box> boxes;
  const std::size_t count = 1 + random() % 5;
  for (std::size_t i = 0; i < count; ++i) {
    Box box{.name = "c" + std::to_string(i), .essential = i + 1 == count || random() % 3 == 0};
    box.stop_timeout = static_cast<int>(random() % 4);
    box.start_timeout = static_cast<int>(random() % 3);
    box.health = random() % 2 == 0;
    box.start_period = static_cast<int>(random() % 3);
    box.restart_period = static_cast<int>(random() % 4) - 1;
    for (std::size_t j = 0; j < i; ++j) {
      if (random() % 3 != 0) continue;
      std::vector<std::string> any = {"START"};
      if (boxes[j].health) any.emplace_back("HEALTHY");
      if (!boxes[j].essential) any.insert(any.end(), {"COMPLETE", "SUCCESS"});
      box.needs.push_back({"c" + std::to_string(j), any[random() % any.size()]});
    }
    boxes.push_back(box);
  }
  return boxes;
}

// The world as the machine cannot see it: what really ran.
struct World {
  explicit World(std::size_t containers) : runs(containers), running(containers) {}
  std::vector<std::set<std::uint32_t>> runs;  // of each container, those that began
  std::vector<bool> running;
  bool twice = false;
};

Fact answer(const Action& action, World& world, std::mt19937& random, const Driven& task) {
  const std::size_t i = action.container;
  const std::int64_t now = task.now;
  const std::uint32_t run = action.kind == Kind::Cleanup ? 0 : task.run_of(i);
  switch (action.kind) {
    case Kind::Pull:
      return PullEnded{.container = i, .failure = random() % 10 == 0 ? "CannotPullContainerError: x" : "",
                       .image_digest = "d", .image_id = "i", .stop_signal = 0, .began_ms = now};
    case Kind::Launch:
    case Kind::FindLaunch: {
      LaunchEnded fact;
      fact.container = i;
      fact.run = run;
      if (world.runs[i].contains(run)) {
        fact.outcome = LaunchEnded::Outcome::Started;
      } else if (action.kind == Kind::FindLaunch) {
        fact.outcome = LaunchEnded::Outcome::NotStarted;
      } else if (random() % 8 != 0) {
        world.twice = world.twice || world.running[i] || !world.runs[i].insert(run).second;
        world.running[i] = true;
        fact.outcome = LaunchEnded::Outcome::Started;
      }
      return fact;
    }
    case Kind::Watch:
      world.running[i] = false;
      return Exited{.container = i, .exit_code = static_cast<int>(random() % 2), .at_ms = now, .run = run};
    case Kind::CheckHealth: return HealthChecked{i, {static_cast<int>(random() % 2), "out", now}, run};
    case Kind::Signal: return SignalEnded{i, false, random() % 4 != 0};
    case Kind::Kill: return SignalEnded{i, true, random() % 4 != 0};
    case Kind::Remove: return RemoveEnded{i, random() % 4 != 0};
    case Kind::Cleanup: return CleanupEnded{random() % 4 != 0};
  }
  return CleanupEnded{false};
}

void check_step(const Driven& task, const TaskState& before, unsigned seed) {
  ASSERT_LE(report(task.request, before).phase(), task.told().phase()) << "seed " << seed;
  for (int i = 0; i < before.containers_size(); ++i) {
    const auto stands = [i](const TaskState& state) {
      return std::pair(state.containers(i).restart_count(), state.containers(i).phase());
    };
    ASSERT_LE(stands(before), stands(task.state)) << "seed " << seed;
    ASSERT_FALSE(before.stop_wanted() && before.containers(i).restart_count() < task.state.containers(i).restart_count())
        << "seed " << seed;
    const bool begun = before.containers(i).phase() < ContainerState::PHASE_LAUNCHING &&
                       task.state.containers(i).phase() == ContainerState::PHASE_LAUNCHING;
    ASSERT_FALSE(begun && before.stop_wanted()) << "seed " << seed;
  }
}

// One life of a task; the answer of any action may be lost in a crash, and then the action is asked for anew.
void live(unsigned seed) {
  std::mt19937 random(seed);
  Driven task(random_boxes(random));
  World world(task.plan.containers.size());
  for (int steps = 0; !is_over(task.state); ++steps) {
    ASSERT_LT(steps, 2'000) << "does not end; seed " << seed;
    const TaskState before = task.state;
    auto actions = task.actions();
    // Watching is as slow as the program, so other things mostly come first.
    std::erase_if(actions, [&](const Action& a) { return a.kind == Kind::Watch && random() % 4 != 0; });
    if (steps > 1'000 || random() % 40 == 0) {
      task.tell(StopRequested{"stop", random() % 2 == 0});
    } else if (actions.empty()) {
      task.pass(static_cast<std::int64_t>(random() % 2'000));
    } else {
      const Fact fact = answer(actions[random() % actions.size()], world, random, task);
      const bool lost = random() % 5 == 0;
      if (lost && !std::holds_alternative<Exited>(fact)) {
        TaskState read_again;
        ASSERT_TRUE(read_again.ParseFromString(task.state.SerializeAsString()));
        task.state = read_again;
      } else {
        task.tell(fact);
        if (random() % 5 == 0) task.tell(fact);  // and doubled
      }
    }
    check_step(task, before, seed);
  }
  for (std::size_t i = 0; i < world.runs.size(); ++i) {
    ASSERT_FALSE(world.twice) << "seed " << seed;
    ASSERT_LE(world.runs[i].size(), 1 + task.told().containers(static_cast<int>(i)).restart_count()) << "seed " << seed;
    ASSERT_FALSE(world.running[i]) << "stopped task with a running container; seed " << seed;
    const v1::ContainerReport told = task.told().containers(static_cast<int>(i));
    ASSERT_EQ(told.last_status(), "STOPPED") << "seed " << seed;
    const bool refused_143 = told.exit_code() == 143 && !told.reason().empty();
    ASSERT_TRUE(told.has_exit_code() == !world.runs[i].empty() || refused_143) << "seed " << seed;
  }
  ASSERT_FALSE(task.told().stopped_reason().empty()) << "seed " << seed;
}

TEST(TaskMachineProperties, EveryHistoryEndsWithoutRunningAnythingTwice) {
  for (unsigned seed = 1; seed <= 3'000; ++seed) {
    live(seed);
    if (HasFatalFailure()) return;
  }
}

TEST(TaskMachineProperties, TheSameHistoryGivesTheSameState) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::string first;
    for (int round = 0; round < 2; ++round) {
      std::mt19937 random(seed);
      Driven task(random_boxes(random));
      World world(task.plan.containers.size());
      for (int steps = 0; steps < 60; ++steps) {
        const auto actions = task.actions();
        if (actions.empty()) {
          task.pass(500);
        } else {
          task.tell(answer(actions[random() % actions.size()], world, random, task));
        }
      }
      if (round == 0) first = task.state.SerializeAsString();
      EXPECT_EQ(task.state.SerializeAsString(), first);
    }
  }
}

}  // namespace
}  // namespace berth::runtime
