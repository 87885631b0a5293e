// SPDX-License-Identifier: Apache-2.0
#include "tests/core/control/services/rollout_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;

using Stored = model::StoredServiceDeployment;

class RolloutTest : public RolloutBench {};

TEST_F(RolloutTest, ReplacesTheOldOnceTheNewAreHealthy) {
  run(2, create("web", 0));
  const auto updated = roll();
  ASSERT_TRUE(updated->done());
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
  EXPECT_EQ(tasks_of("web", 2).size(), 2u);
  EXPECT_EQ(current_deployments("web"), 2);
  pass(seconds(39));
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
  pass(seconds(1));
  EXPECT_EQ(tasks_of("web", 1).size(), 0u);
  EXPECT_EQ(tasks_of("web", 2).size(), 2u);
  EXPECT_EQ(current_deployments("web"), 1) << "the waiter of services-stable needs that";
  EXPECT_EQ(primary("web")->data.status(), "SUCCESSFUL");
  EXPECT_EQ(primary("web")->data.sources(0).running_task_count(), 2);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("deployment completed.")));
}

TEST_F(RolloutTest, MakesRoomFirstWhereNoMoreMayRun) {
  CreateService tight = create("web", 0);
  tight.request.mutable_deployment_configuration()->set_minimum_healthy_percent(50);
  tight.request.mutable_deployment_configuration()->set_maximum_percent(100);
  run(4, tight);
  roll();
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
  EXPECT_EQ(tasks_of("web", 2).size(), 2u);
  pass(seconds(40));
  pass(seconds(40));
  EXPECT_EQ(tasks_of("web", 2).size(), 4u);
  EXPECT_EQ(primary("web")->data.status(), "SUCCESSFUL");
}

TEST_F(RolloutTest, SaysThatItIsStuckWhereThePercentagesLeaveNoWay) {
  CreateService stuck = create("web", 0);
  stuck.request.mutable_deployment_configuration()->set_minimum_healthy_percent(100);
  stuck.request.mutable_deployment_configuration()->set_maximum_percent(100);
  run(2, stuck);
  roll();
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("unable to stop or start tasks")));
}

TEST_F(RolloutTest, IsAbortedOrRolledBackByStopServiceDeployment) {
  run(2, create("web", 0));
  const DeploymentNumber good = primary("web")->number;
  roll();
  const std::string id = primary("web")->data.id();
  EXPECT_TRUE(ask(StopServiceDeployment{service("web")->id, id, true})->answer->has_value());
  work();
  EXPECT_EQ(primary("web")->number, good);
  EXPECT_EQ(tasks_of("web", 2).size(), 0u);
  EXPECT_EQ(rollout_of(2)->data.status(), "ROLLBACK_SUCCESSFUL");
  EXPECT_EQ(ask(StopServiceDeployment{service("web")->id, id, true})->error().message,
            "The service deployment is not in progress.");

  roll();
  EXPECT_TRUE(ask(StopServiceDeployment{service("web")->id, primary("web")->data.id(), false})
                  ->answer->has_value());
  pass(minutes(5));
  EXPECT_EQ(primary("web")->data.status(), "STOPPED");
  EXPECT_EQ(tasks_of("web", 1).size(), 2u);
}

TEST_F(RolloutTest, ANewDeploymentInTheMiddleOfOneTakesOver) {
  run(2, create("web", 0));
  roll();
  ask(definition());
  roll("web:3");
  EXPECT_EQ(rollout_of(2)->data.status(), "STOPPED");
  pass(seconds(40));
  pass(seconds(40));
  EXPECT_EQ(tasks_of("web", 3).size(), 2u);
  EXPECT_EQ(tasks_of("web").size(), 2u);
  EXPECT_EQ(current_deployments("web"), 1);
}

TEST_F(RolloutTest, DrainingInstancesHandTheirTasksOver) {
  run(2, create("web", 0));
  set_draining(kNode);
  work();
  EXPECT_EQ(tasks_of("web").size(), 3u) << "the replacement comes first";
  pass(seconds(41));
  ASSERT_EQ(tasks_of("web").size(), 2u);
  for (const TaskPtr& one : tasks_of("web")) EXPECT_EQ(one->node.str(), kNode2);
}

TEST_F(RolloutTest, DrainingLeavesStandaloneTasksAlone) {
  open();
  const auto alone = submit(run_task());
  work();
  const TaskPtr one = alone->as<RunTaskAnswer>().tasks.at(0);
  set_draining(one->node.str());
  pass(minutes(5));
  EXPECT_EQ(task(one->id)->desired_status, DesiredStatus::Running);
}

TEST_F(RolloutTest, UnhealthyTasksAreReplacedAfterTheGracePeriod) {
  open();
  RegisterTaskDefinition checked = definition("checked");
  checked.request.mutable_container_definitions(0)->mutable_health_check()->add_command("true");
  ask(checked);
  CreateService command = create("web", 1, "checked:1");
  command.request.set_health_check_grace_period_seconds(30);
  submit(command);
  work();
  const TaskId first = tasks_of("web").at(0)->id;
  say(first, v1::TASK_PHASE_RUNNING, "UNHEALTHY");
  work();
  EXPECT_EQ(tasks_of("web").size(), 1u) << "within the grace period";
  pass(seconds(30));
  ASSERT_EQ(tasks_of("web").size(), 2u) << "the replacement first";
  for (const TaskPtr& one : tasks_of("web")) {
    if (one->id != first) say(one->id, v1::TASK_PHASE_RUNNING, "HEALTHY");
  }
  work();
  ASSERT_EQ(tasks_of("web").size(), 1u);
  EXPECT_NE(tasks_of("web")[0]->id, first);
  EXPECT_EQ(task(first)->stopped_reason, "Task failed container health checks");
}

// ---- DAEMON

class DaemonTest : public RolloutTest {};

TEST_F(DaemonTest, RunsOneTaskOnEachInstanceAlsoOnThoseThatCome) {
  open();
  submit(daemon("agent"));
  work();
  EXPECT_EQ(tasks_of("agent").size(), 2u);
  EXPECT_EQ(service("agent")->data.desired_count(), 2);
  snapshot({node(kNode, 4096, 4096), node(kNode2, 4096, 4096), node(kNode3)}, 2);
  work();
  EXPECT_EQ(tasks_of("agent").size(), 3u);
  std::set<NodeId> nodes;
  for (const TaskPtr& one : tasks_of("agent")) nodes.insert(one->node);
  EXPECT_EQ(nodes.size(), 3u);
}

TEST_F(DaemonTest, DoesNotTakeHostsThatAreNotBackYetForNone) {
  const v1::Node full = node(kNode2, 4096, 64);  // its task finds no room there
  open({node(kNode, 4096, 4096), full});
  submit(daemon("agent"));
  work();
  pass(seconds(41));
  ASSERT_EQ(tasks_of("agent").size(), 1u);
  ASSERT_EQ(service("agent")->data.desired_count(), 2);
  ASSERT_TRUE(primary("agent")->in_progress());
  crash();
  work();
  EXPECT_TRUE(primary("agent")->in_progress());
  EXPECT_EQ(service("agent")->data.desired_count(), 2);
  bring_up({node(kNode, 4096, 4096), full});
  work();
  EXPECT_TRUE(primary("agent")->in_progress());
  EXPECT_EQ(service("agent")->data.desired_count(), 2);
  // One that stays away is not waited for without end.
  crash();
  v1::Node away = full;
  away.set_connected(false);
  bring_up({node(kNode, 4096, 4096), away});
  work();
  EXPECT_TRUE(primary("agent")->in_progress());
  pass(minutes(3));
  EXPECT_FALSE(primary("agent")->in_progress());
}

TEST_F(DaemonTest, LeavesDrainingInstancesAndComesBack) {
  open();
  submit(daemon("agent"));
  work();
  set_draining(kNode);
  work();
  ASSERT_EQ(tasks_of("agent").size(), 1u);
  EXPECT_EQ(tasks_of("agent")[0]->node.str(), kNode2);
  EXPECT_EQ(service("agent")->data.desired_count(), 1);
  set_draining(kNode, false);
  work();
  EXPECT_EQ(tasks_of("agent").size(), 2u);
}

TEST_F(DaemonTest, LeavesADrainingInstanceAfterAllOtherTasks) {
  open();
  submit(daemon("agent"));
  submit(create("web", 2));
  work();
  ask(run_task());
  work();
  pass(seconds(60));
  std::optional<TaskId> alone;
  for (const auto& [id, one] : core->state().tasks()) {
    if (one->launch->service.empty()) alone = id;
  }
  ASSERT_TRUE(alone);
  const std::string node = task(*alone)->node.str();
  set_draining(node);
  work();
  EXPECT_EQ(tasks_of("agent").size(), 2u) << "the service's task and the one alone are there";
  pass(seconds(60));
  for (const TaskPtr& one : tasks_of("web")) EXPECT_NE(one->node.str(), node);
  EXPECT_EQ(tasks_of("agent").size(), 2u) << "the one alone is";
  ask(stop_task(*alone));
  work();
  EXPECT_EQ(tasks_of("agent").size(), 1u);
}

TEST_F(DaemonTest, IsRolledWhateverRunsOnADrainingInstance) {
  open();
  submit(daemon("agent"));
  work();
  ask(run_task());
  work();
  pass(seconds(60));
  std::string node;
  for (const auto& [id, one] : core->state().tasks()) {
    if (one->launch->service.empty() && one->last_status != TaskStatus::Stopped) {
      node = one->node.str();
    }
  }
  ASSERT_FALSE(node.empty());
  set_draining(node);
  work();
  UpdateService command = update("agent");
  command.request.set_task_definition("web:2");
  submit(command);
  work();
  pass(seconds(60));
  EXPECT_EQ(tasks_of("agent", 1).size(), 1u) << "the last to leave";
  EXPECT_EQ(tasks_of("agent", 2).size(), 1u);
  EXPECT_FALSE(primary("agent")->in_progress());
}

TEST_F(DaemonTest, KeepsToItsConstraints) {
  v1::Node tagged = node(kNode2, 4096, 4096);
  ecs::Attribute* attribute = tagged.add_attributes();
  attribute->set_name("stack");
  attribute->set_value("prod");
  open({node(kNode, 4096, 4096), tagged});
  CreateService command = daemon("agent");
  model::PlacementConstraint* constraint = command.request.add_placement_constraints();
  constraint->set_type("memberOf");
  constraint->set_expression("attribute:stack == prod");
  submit(command);
  work();
  ASSERT_EQ(tasks_of("agent").size(), 1u);
  EXPECT_EQ(tasks_of("agent")[0]->node.str(), kNode2);
  v1::Node both = node(kNode, 4096, 4096);
  *both.add_attributes() = *attribute;
  snapshot({both, node(kNode2, 4096, 4096)}, 2);
  work();
  ASSERT_EQ(tasks_of("agent").size(), 1u) << "the one that violates them goes";
  EXPECT_EQ(tasks_of("agent")[0]->node.str(), kNode);
}

TEST_F(DaemonTest, RollsByStoppingTheOldTaskFirst) {
  open();
  submit(daemon("agent"));
  work();
  pass(seconds(41));
  UpdateService command = update("agent");
  command.request.set_task_definition("web:2");
  submit(command);
  settle();
  while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan();
  EXPECT_EQ(tasks_of("agent", 1).size(), 0u);
  EXPECT_EQ(tasks_of("agent", 2).size(), 0u) << "none before the old one is STOPPED";
  work();
  EXPECT_EQ(tasks_of("agent", 2).size(), 2u);
  pass(seconds(41));
  EXPECT_EQ(current_deployments("agent"), 1);
}

}  // namespace
}  // namespace berth::control
