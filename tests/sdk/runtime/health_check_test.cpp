// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/health_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "sdk/runtime/task/task_machine.hpp"
#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

using ::testing::HasSubstr;
using testing::Box;
using testing::request_of;
using Kind = Action::Kind;

constexpr HealthState::Status kUnknown = HealthState::STATUS_UNKNOWN;
constexpr HealthState::Status kHealthy = HealthState::STATUS_HEALTHY;
constexpr HealthState::Status kUnhealthy = HealthState::STATUS_UNHEALTHY;

// One container's health on virtual time; each check takes 100 ms.
class Checked {
 public:
  explicit Checked(HealthPlan given) : plan(std::move(given)) { begin_health(state, now); }
  HealthState::Status check(std::optional<int> exit_code) {
    now = health_due_ms(plan, state);
    const std::int64_t began = now;
    now += 100;
    fold_health(plan, state, {exit_code, "out", began}, now);
    return state.status();
  }
  HealthPlan plan;
  HealthState state;
  std::int64_t now = 1'000'000;
};

HealthPlan plan_of(std::uint32_t retries, std::int64_t start_period_ms = 0) {
  return {.args = {"x"}, .interval_ms = 10'000, .timeout_ms = 5'000, .retries = retries, .start_period_ms = start_period_ms};
}

v1::ecs::ContainerDefinition with_command(const std::vector<std::string>& words) {
  v1::ecs::ContainerDefinition definition;
  for (const auto& word : words) definition.mutable_health_check()->add_command(word);
  return definition;
}

TEST(HealthCheck, IsUnknownUntilTheFirstSuccess) {
  Checked one(plan_of(3));
  EXPECT_EQ(one.state.status(), kUnknown);
  EXPECT_EQ(one.check(0), kHealthy);
  EXPECT_EQ(one.state.since_ms(), one.now);
}

TEST(HealthCheck, IsUnhealthyAfterAsManyFailuresInARowAsRetriesSay) {
  Checked one(plan_of(3));
  EXPECT_EQ(one.check(1), kUnknown);
  EXPECT_EQ(one.check(std::nullopt), kUnknown) << "one that took too long has failed";
  EXPECT_EQ(one.check(2), kUnhealthy);
  EXPECT_EQ(one.state.exit_code(), 2);
  EXPECT_EQ(one.state.output(), "out");
  EXPECT_EQ(one.check(0), kHealthy);
}

TEST(HealthCheck, StartsCountingAnewAfterASuccess) {
  Checked one(plan_of(2));
  one.check(0);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(one.check(1), kHealthy);
    EXPECT_EQ(one.check(0), kHealthy);
  }
}

TEST(HealthCheck, ForgivesFailuresInTheStartPeriodUntilTheFirstSuccess) {
  Checked patient(plan_of(1, 60'000));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(patient.check(1), kUnknown);
  EXPECT_EQ(patient.check(1), kUnhealthy) << "this one began after it";
  Checked early(plan_of(1, 60'000));
  EXPECT_EQ(early.check(0), kHealthy);
  EXPECT_EQ(early.check(1), kUnhealthy) << "a success ends the start period";
}

TEST(HealthCheck, IsDueAnIntervalAfterTheStartAndAfterTheEndOfEachCheck) {
  Checked one(plan_of(3));
  EXPECT_EQ(health_due_ms(one.plan, one.state), 1'010'000);
  one.check(0);
  EXPECT_EQ(health_due_ms(one.plan, one.state), 1'010'100 + 10'000);
}

TEST(HealthCheck, ReadsBothFormsAndDefaults) {
  auto plan = *read_health_check(with_command({"CMD", "curl", "-f", "x"}), "h");
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->args, ::testing::ElementsAre("curl", "-f", "x"));
  EXPECT_EQ(plan->interval_ms, 30'000);
  EXPECT_EQ(plan->timeout_ms, 5'000);
  EXPECT_EQ(plan->retries, 3U);
  EXPECT_EQ(plan->start_period_ms, 0);
  plan = *read_health_check(with_command({"CMD-SHELL", "a | b"}), "h");
  EXPECT_THAT(plan->args, ::testing::ElementsAre("/bin/sh", "-c", "a | b"));
  EXPECT_FALSE(*read_health_check(with_command({"NONE"}), "h"));
  EXPECT_FALSE(*read_health_check({}, "h"));
}

TEST(HealthCheck, RefusesWhatCannotBeRunByName) {
  EXPECT_EQ(read_health_check(with_command({"curl"}), "h").error().field, "h.command");
  EXPECT_EQ(read_health_check(with_command({"CMD"}), "h").error().field, "h.command");
  EXPECT_EQ(read_health_check(with_command({"CMD-SHELL", "a", "b"}), "h").error().field, "h.command");
  auto definition = with_command({"CMD", "x"});
  definition.mutable_health_check()->set_interval(0);
  EXPECT_EQ(read_health_check(definition, "h").error().field, "h.interval");
  definition.mutable_health_check()->set_interval(1);
  definition.mutable_health_check()->set_retries(0);
  EXPECT_EQ(read_health_check(definition, "h").error().field, "h.retries");
}

// UNHEALTHY means that the last `retries` checks failed; HEALTHY that one succeeded and fewer than that failed since; and
// the count never grows beyond what matters.
TEST(HealthCheckProperties, TheStatusIsWhatTheLastChecksSay) {
  for (unsigned seed = 1; seed <= 2'000; ++seed) {
    std::mt19937 random(seed);
    Checked one(plan_of(1 + random() % 4, static_cast<std::int64_t>(random() % 4) * 15'000));
    std::uint32_t counted = 0;
    bool ever = false;
    for (int i = 0; i < 30; ++i) {
      const std::int64_t begins = health_due_ms(one.plan, one.state);
      const bool good = random() % 3 == 0;
      const bool was_unhealthy = one.state.status() == kUnhealthy;
      const auto status = one.check(good ? 0 : 1);
      const bool forgiven = !ever && !was_unhealthy && begins < one.state.began_ms() + one.plan.start_period_ms;
      ever = ever || good;
      counted = good ? 0 : counted + (forgiven ? 0 : 1);
      ASSERT_LE(one.state.failures(), one.plan.retries) << "seed " << seed;
      const auto expected = counted >= one.plan.retries ? kUnhealthy : ever ? kHealthy : kUnknown;
      ASSERT_EQ(status, expected) << "seed " << seed << " check " << i;
    }
  }
}

// ---- In the machine of a task

class Task {
 public:
  explicit Task(const std::vector<Box>& boxes)
      : request(request_of(boxes)), plan(plan_task(request, {}).value()), state(new_task(plan)) {}
  bool tell(const Fact& fact) { return step(plan, state, fact, {now}); }
  void run(std::size_t i) {
    tell(PullEnded{.container = i, .failure = {}, .image_digest = {}, .image_id = {}});
    launched(i);
  }
  void launched(std::size_t i) {
    LaunchEnded fact;
    fact.container = i;
    fact.outcome = LaunchEnded::Outcome::Started;
    fact.run = of(i).restart_count();
    tell(fact);
  }
  bool checked(std::size_t i, int exit_code) {
    return tell(HealthChecked{i, {exit_code, "out", now}, of(i).restart_count()});
  }
  void exited(std::size_t i, int code) {
    tell(Exited{.container = i, .exit_code = code, .at_ms = now, .run = of(i).restart_count()});
  }
  [[nodiscard]] const ContainerState& of(std::size_t i) const { return state.containers(static_cast<int>(i)); }
  [[nodiscard]] bool wants(Kind kind, std::size_t i) const {
    const auto all = wanted(plan, state, {now});
    return std::find(all.begin(), all.end(), Action{kind, i}) != all.end();
  }
  [[nodiscard]] v1::TaskReport told() const { return report(request, state); }
  v1::StartTaskRequest request;
  TaskPlan plan;
  TaskState state;
  std::int64_t now = 1'000'000;
};

TEST(TaskHealth, IsCheckedWhenItIsDueAndOnlyThen) {
  Task task({{.name = "web", .health = true}});
  task.run(0);
  EXPECT_FALSE(task.wants(Kind::CheckHealth, 0));
  EXPECT_EQ(next_wake(task.plan, task.state, {task.now})->ms, task.now + 1'000);
  task.now += 1'000;
  EXPECT_TRUE(task.wants(Kind::CheckHealth, 0));
  task.checked(0, 0);
  EXPECT_FALSE(task.wants(Kind::CheckHealth, 0));
  task.tell(StopRequested{});
  task.now += 1'000;
  EXPECT_FALSE(task.wants(Kind::CheckHealth, 0)) << "its end is near anyhow";
}

TEST(TaskHealth, IsNotThatOfACheckThatWasKilledForTheTasksEnd) {
  Task task({{.name = "web", .health = true}});
  task.run(0);
  task.checked(0, 0);
  task.tell(StopRequested{});
  for (int i = 0; i < 2; ++i) task.checked(0, 137);
  EXPECT_EQ(task.told().containers(0).health_status(), "HEALTHY");

  Task other({{.name = "web", .health = true}});
  other.run(0);
  HealthResult killed;
  killed.cancelled = true;
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(other.tell(HealthChecked{0, killed, 0}));
  EXPECT_EQ(other.told().containers(0).health_status(), "UNKNOWN");
}

TEST(TaskHealth, WritesOnlyWhatAChecksResultChanges) {
  Task task({{.name = "web", .health = true}});
  task.run(0);
  EXPECT_TRUE(task.checked(0, 0)) << "HEALTHY is news";
  EXPECT_FALSE(task.checked(0, 0));
  EXPECT_TRUE(task.checked(0, 1));
  EXPECT_TRUE(task.checked(0, 1)) << "UNHEALTHY is news";
  EXPECT_FALSE(task.checked(0, 1));
}

TEST(TaskHealth, IsThatOfTheEssentialContainersWithChecks) {
  Task task({{.name = "a", .health = true}, {.name = "b", .health = true}, {.name = "side", .essential = false, .health = true},
             {.name = "bare"}});
  for (std::size_t i = 0; i < 4; ++i) task.run(i);
  EXPECT_EQ(task.told().health_status(), "UNKNOWN");
  task.checked(0, 0);
  EXPECT_EQ(task.told().health_status(), "UNKNOWN") << "b was not checked yet";
  task.checked(1, 0);
  EXPECT_EQ(task.told().health_status(), "HEALTHY");
  for (int i = 0; i < 2; ++i) task.checked(2, 1);
  EXPECT_EQ(task.told().containers(2).health_status(), "UNHEALTHY");
  EXPECT_EQ(task.told().containers(2).reason(), "The health check fails with exit code 1: out");
  EXPECT_EQ(task.told().health_status(), "HEALTHY") << "it is not essential";
  for (int i = 0; i < 2; ++i) task.checked(1, 1);
  EXPECT_EQ(task.told().health_status(), "UNHEALTHY");
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING) << "only services replace tasks for it";
  EXPECT_EQ(task.told().containers(3).health_status(), "");
}

TEST(TaskHealth, OpensTheGateOfThoseThatWaitForIt) {
  Task task({{.name = "db", .health = true}, {.name = "web", .needs = {{"db", "HEALTHY"}}}});
  task.run(0);
  task.tell(PullEnded{.container = 1, .failure = {}, .image_digest = {}, .image_id = {}});
  for (int i = 0; i < 3; ++i) task.checked(0, 1);
  EXPECT_FALSE(task.wants(Kind::Launch, 1)) << "UNHEALTHY may get well again";
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_PENDING);
  task.checked(0, 0);
  EXPECT_TRUE(task.wants(Kind::Launch, 1));
  task.launched(1);
  for (int i = 0; i < 3; ++i) task.checked(0, 1);
  EXPECT_EQ(task.told().containers(1).last_status(), "RUNNING") << "it counts at the start alone";
}

TEST(TaskHealth, FailsThoseThatWaitForItAfterStartTimeoutOrItsEnd) {
  Task late({{.name = "db", .start_timeout = 5, .health = true}, {.name = "web", .needs = {{"db", "HEALTHY"}}}});
  late.run(0);
  late.tell(PullEnded{.container = 1, .failure = {}, .image_digest = {}, .image_id = {}});
  for (int i = 0; i < 2; ++i) late.checked(0, 1);
  late.now += 5'000;
  step(late.plan, late.state, {late.now});
  EXPECT_EQ(late.told().containers(1).exit_code(), 143);
  EXPECT_THAT(late.told().containers(1).reason(),
              HasSubstr("CannotStartContainerError: dependency container 'db' was UNHEALTHY, not HEALTHY, at the end of its startTimeout of 5 s"));
  EXPECT_EQ(late.told().stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  Task ended({{.name = "db", .essential = false, .health = true}, {.name = "web", .needs = {{"db", "HEALTHY"}}}});
  ended.run(0);
  ended.tell(PullEnded{.container = 1, .failure = {}, .image_digest = {}, .image_id = {}});
  ended.exited(0, 0);
  EXPECT_THAT(ended.told().containers(1).reason(), HasSubstr("ended before it was HEALTHY"));
}

// ---- Restarts

TEST(TaskRestart, StartsTheSameContainerAgainAndTheTaskGoesOn) {
  Task task({{.name = "web", .health = true, .restart_period = 60}});
  task.run(0);
  task.checked(0, 0);
  task.now += 60'000;
  task.exited(0, 1);
  EXPECT_TRUE(task.wants(Kind::Launch, 0));
  EXPECT_FALSE(task.wants(Kind::Remove, 0));
  EXPECT_EQ(task.told().containers(0).last_status(), "RUNNING") << "a status does not go back";
  EXPECT_FALSE(task.told().containers(0).has_exit_code());
  EXPECT_EQ(task.told().containers(0).restart_count(), 1U);
  EXPECT_EQ(task.told().health_status(), "UNKNOWN") << "that was another program's";
  task.launched(0);
  EXPECT_TRUE(task.wants(Kind::Watch, 0));
  EXPECT_EQ(task.told().phase(), v1::TASK_PHASE_RUNNING);
}

TEST(TaskRestart, NeedsTheAttemptPeriodSinceTheStartOrTheLastRestart) {
  Task early({{.name = "web", .restart_period = 60}});
  early.run(0);
  early.now += 59'999;
  early.exited(0, 1);
  EXPECT_EQ(early.told().stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  EXPECT_EQ(early.told().containers(0).exit_code(), 1);
  Task again({{.name = "web", .restart_period = 60}});
  again.run(0);
  again.now += 60'000;
  again.exited(0, 1);
  again.now += 50'000;
  again.launched(0);
  again.now += 9'999;
  again.exited(0, 3);
  EXPECT_EQ(again.told().containers(0).exit_code(), 3);
  EXPECT_EQ(again.told().containers(0).restart_count(), 1U);
}

TEST(TaskRestart, DoesNotFollowIgnoredCodesUnknownEndsOrAStop) {
  Task ignored({{.name = "web", .restart_period = 0}});
  ignored.run(0);
  ignored.exited(0, 7);
  EXPECT_EQ(ignored.told().containers(0).last_status(), "STOPPED");
  Task vanished({{.name = "web", .restart_period = 0}});
  vanished.run(0);
  vanished.tell(Exited{.container = 0, .exit_code = std::nullopt});
  EXPECT_EQ(vanished.told().containers(0).last_status(), "STOPPED");
  Task stopped({{.name = "web", .restart_period = 0}});
  stopped.run(0);
  stopped.tell(StopRequested{});
  stopped.exited(0, 143);
  EXPECT_EQ(stopped.told().containers(0).last_status(), "STOPPED");
}

TEST(TaskRestart, IsNotBegunOnceTheTaskIsBeingStopped) {
  Task task({{.name = "web", .restart_period = 0}});
  task.run(0);
  task.exited(0, 5);
  task.tell(StopRequested{});
  EXPECT_TRUE(task.wants(Kind::FindLaunch, 0));
  EXPECT_FALSE(task.wants(Kind::Launch, 0));
  LaunchEnded nothing;
  nothing.outcome = LaunchEnded::Outcome::NotStarted;
  nothing.run = 1;
  task.tell(nothing);
  EXPECT_EQ(task.told().containers(0).last_status(), "STOPPED");
  EXPECT_EQ(task.told().containers(0).exit_code(), 5) << "of its last run";
}

TEST(TaskRestart, IsNotTouchedByFactsOfAnEarlierRun) {
  Task task({{.name = "web", .health = true, .restart_period = 0}});
  task.run(0);
  task.exited(0, 5);
  task.launched(0);
  task.tell(Exited{.container = 0, .exit_code = 5, .run = 0});
  EXPECT_EQ(task.told().containers(0).restart_count(), 1U);
  EXPECT_TRUE(task.wants(Kind::Watch, 0));
  EXPECT_FALSE(task.tell(HealthChecked{0, {0, "", task.now}, 0}));
  EXPECT_EQ(task.told().health_status(), "UNKNOWN");
}

TEST(TaskRestart, KeepsADependencyOpenForThoseThatNeedItsStart) {
  Task task({{.name = "db", .restart_period = 0}, {.name = "web", .needs = {{"db", "START"}}}});
  task.run(0);
  task.exited(0, 1);
  task.tell(PullEnded{.container = 1, .failure = {}, .image_digest = {}, .image_id = {}});
  EXPECT_TRUE(task.wants(Kind::Launch, 1)) << "it has started once, and is starting again";
}

}  // namespace
}  // namespace berth::runtime
