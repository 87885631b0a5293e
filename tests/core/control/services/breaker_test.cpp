// SPDX-License-Identifier: Apache-2.0
// The circuit breaker over a whole rollout; what it counts by itself is in decide_test.cpp.
#include <algorithm>

#include "tests/core/control/services/rollout_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;

using Stored = model::StoredServiceDeployment;

class CircuitBreakerTest : public RolloutBench {
 protected:
  void come_back() {
    crash();
    bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
    work();
  }
  // Of the new revision the youngest task; replaced after its throttle.
  void end_one() {
    const std::vector<TaskPtr> tasks = tasks_of("web", 2);
    const auto youngest = std::max_element(
        tasks.begin(), tasks.end(),
        [](const auto& a, const auto& b) { return a->launch->created_at < b->launch->created_at; });
    ASSERT_NE(youngest, tasks.end());
    say((*youngest)->id, v1::TASK_PHASE_STOPPED);
    pass(seconds(5));
  }
  static CreateService that_never_forgets() {
    CreateService command = with_breaker(true);
    command.request.mutable_deployment_configuration()
        ->mutable_deployment_circuit_breaker()
        ->set_reset_on_healthy_task(false);
    return command;
  }
};

TEST_F(CircuitBreakerTest, IsBrokenByTasksThatNeverStartAndGoesBack) {
  run(2, with_breaker(true));
  const DeploymentNumber good = primary("web")->number;
  broken.insert(2);
  roll();
  for (int i = 0; i < 10; ++i) pass(seconds(2));
  EXPECT_EQ(primary("web")->number, good);
  const ServiceDeploymentPtr bad = rollout_of(2);
  EXPECT_EQ(bad->data.rollout(), Stored::ROLLOUT_FAILED);
  EXPECT_EQ(bad->data.rollout_reason(), "ECS deployment circuit breaker: tasks failed to start.");
  EXPECT_EQ(bad->data.status(), "ROLLBACK_SUCCESSFUL");
  EXPECT_TRUE(bad->data.breaker_triggered());
  EXPECT_EQ(bad->data.breaker_failures(), 3);
  EXPECT_EQ(tasks_of("web", 1).size(), 2u) << "they have been there all the time";
  EXPECT_EQ(service("web")->data.revision(), 1);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("deployment failed: tasks failed to start.")));
  EXPECT_THAT(events_of("web"),
              Contains("(service web) rolling back to deployment ecs-svc/" + good.str() + "."));
}

TEST_F(CircuitBreakerTest, StaysFailedWithoutRollbackAndKeepsTheOldTasks) {
  run(2, with_breaker(false));
  broken.insert(2);
  roll();
  for (int i = 0; i < 10; ++i) pass(seconds(2));
  EXPECT_TRUE(primary("web")->failed());
  EXPECT_EQ(primary("web")->data.status(), "STOPPED");
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
  const std::size_t tried = starts.size();
  pass(minutes(30));
  EXPECT_EQ(starts.size(), tried) << "a failed deployment starts nothing";
}

TEST_F(CircuitBreakerTest, IsBrokenByTasksThatExitBeforeTheyAreHealthy) {
  run(1, with_breaker(true));
  roll();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(tasks_of("web", 2).size(), 1u);
    say(tasks_of("web", 2)[0]->id, v1::TASK_PHASE_STOPPED);
    pass(seconds(5));
  }
  EXPECT_EQ(rollout_of(2)->data.rollout(), Stored::ROLLOUT_FAILED);
  EXPECT_EQ(primary("web")->data.revision(), 1);
}

TEST_F(CircuitBreakerTest, TasksThatAreSeenEndingBeforeTheyHaveEndedCountAsWell) {
  run(1, with_breaker(true));
  roll();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(tasks_of("web", 2).size(), 1u);
    const TaskId id = tasks_of("web", 2)[0]->id;
    say(id, v1::TASK_PHASE_STOPPING);
    say(id, v1::TASK_PHASE_STOPPED);
    pass(seconds(5));
  }
  EXPECT_EQ(rollout_of(2)->data.rollout(), Stored::ROLLOUT_FAILED);
}

TEST_F(CircuitBreakerTest, EarlyExitsDoNotCountWhereTheKeyTurnsThemOff) {
  config.early_exits_fail_deployments = false;
  crash();
  run(1, with_breaker(true));
  roll();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(tasks_of("web", 2).size(), 1u);
    say(tasks_of("web", 2)[0]->id, v1::TASK_PHASE_STOPPED);
    pass(seconds(10));
  }
  EXPECT_EQ(rollout_of(2)->data.rollout(), Stored::ROLLOUT_IN_PROGRESS);
}

TEST_F(CircuitBreakerTest, TheBreakerForgetsOldFailuresOnceATaskIsHealthy) {
  run(2, with_breaker(true));
  roll();
  for (int i = 0; i < 2; ++i) {
    say(tasks_of("web", 2)[0]->id, v1::TASK_PHASE_STOPPED);
    pass(seconds(3));
  }
  EXPECT_EQ(primary("web")->data.breaker_failures(), 2);
  pass(seconds(40));
  EXPECT_EQ(primary("web")->data.breaker_failures(), 0);
}

TEST_F(CircuitBreakerTest, TheBreakerForgetsOldFailuresAlsoWhereHealthCameWhileNobodyWasThere) {
  run(2, with_breaker(true));
  roll();
  for (int i = 0; i < 2; ++i) {
    say(tasks_of("web", 2)[0]->id, v1::TASK_PHASE_STOPPED);
    pass(seconds(3));
  }
  ASSERT_EQ(primary("web")->data.breaker_failures(), 2);
  now += seconds(60);
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  EXPECT_EQ(primary("web")->data.breaker_failures(), 0);
}

TEST_F(CircuitBreakerTest, TheBreakerKeepsFailuresThatCameAfterHealthOverARestart) {
  run(2, with_breaker(true));
  roll();
  pass(seconds(45));
  ASSERT_EQ(tasks_of("web", 2).size(), 2u);
  for (int i = 0; i < 2; ++i) say(tasks_of("web", 2)[0]->id, v1::TASK_PHASE_STOPPED);
  const int failures = primary("web")->data.breaker_failures();
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  EXPECT_EQ(primary("web")->data.breaker_failures(), failures);
}

TEST_F(CircuitBreakerTest, WithoutResetOnHealthyTaskFailuresAddUpOverHealthyTasks) {
  run(2, that_never_forgets());
  roll();
  const DeploymentNumber bad = primary("web")->number;
  end_one();
  end_one();
  ASSERT_EQ(primary("web")->data.breaker_failures(), 2);
  // The older one becomes healthy, the younger one does not get there.
  pass(seconds(30));
  ASSERT_EQ(primary("web")->data.failed_tasks(), 0) << "one is healthy";
  ASSERT_EQ(tasks_of("web", 2).size(), 2u);
  end_one();
  EXPECT_NE(primary("web")->number, bad) << "the third failure is enough, whatever was healthy";
  EXPECT_EQ(rollout_of(2)->data.status(), "ROLLBACK_IN_PROGRESS");
}

TEST_F(CircuitBreakerTest, WithoutResetOnHealthyTaskAHealthyTaskStillEndsTheThrottle) {
  run(4, that_never_forgets());
  roll();
  end_one();
  end_one();
  EXPECT_GT(primary("web")->data.failed_tasks(), 0);
  pass(seconds(34));
  const Stored& data = primary("web")->data;
  ASSERT_EQ(data.rollout(), Stored::ROLLOUT_IN_PROGRESS) << "the last ones are not healthy yet";
  EXPECT_EQ(data.breaker_failures(), 2);
  EXPECT_EQ(data.failed_tasks(), 0);
  EXPECT_FALSE(data.has_restart_at());
}

TEST_F(CircuitBreakerTest, WithoutResetOnHealthyTaskFailuresAreKeptOverARestart) {
  run(4, that_never_forgets());
  roll();
  end_one();
  end_one();
  now += seconds(34);
  come_back();
  EXPECT_EQ(primary("web")->data.breaker_failures(), 2)
      << "also where health came while nobody was there";
}

TEST_F(CircuitBreakerTest, WhetherItResetsIsWhatTheServiceSaysNow) {
  run(4, that_never_forgets());
  roll();
  end_one();
  UpdateService resets = update("web");
  auto& breaker =
      *resets.request.mutable_deployment_configuration()->mutable_deployment_circuit_breaker();
  breaker.set_enable(true);
  breaker.set_rollback(true);
  breaker.set_reset_on_healthy_task(true);
  ask(resets);
  ASSERT_EQ(primary("web")->data.breaker_failures(), 1);
  pass(seconds(38));
  EXPECT_EQ(primary("web")->data.breaker_failures(), 0);
}

TEST_F(CircuitBreakerTest, OfADaemonServiceFollowsTheNumberOfItsInstancesAtOnce) {
  std::vector<std::string> ids;
  std::vector<v1::Node> nodes;
  for (const char last : {'0', '1', '2', '3'}) {
    ids.push_back(std::string(31, 'a') + last);
    nodes.push_back(node(ids.back(), 4096, 4096));
  }
  open(nodes);
  CreateService command = daemon("web");
  auto& breaker =
      *command.request.mutable_deployment_configuration()->mutable_deployment_circuit_breaker();
  breaker.set_enable(true);
  breaker.set_rollback(false);
  breaker.mutable_threshold_configuration()->set_type("UNBOUNDED_PERCENT");
  breaker.mutable_threshold_configuration()->set_value(75);
  submit(command);
  work();
  ASSERT_EQ(tasks_of("web").size(), 4u);
  for (const TaskPtr& one : tasks_of("web")) {
    if (one->node.str() < ids[2]) say(one->id, v1::TASK_PHASE_STOPPED);
  }
  settle();
  ASSERT_EQ(primary("web")->data.breaker_failures(), 2);
  ASSERT_EQ(primary("web")->data.rollout(), Stored::ROLLOUT_IN_PROGRESS) << "three are enough";
  // On these nothing runs any more, so nothing else happens that would have the service looked at.
  submit(UpdateInstancesState{ClusterName("default"), {ids[0], ids[1]}, true});
  tick();
  EXPECT_EQ(service("web")->data.desired_count(), 2);
  EXPECT_EQ(primary("web")->data.rollout(), Stored::ROLLOUT_FAILED) << "two are enough now";
}

}  // namespace
}  // namespace berth::control
