// SPDX-License-Identifier: Apache-2.0
// Tasks onto a plugin that shows none of its nodes.
#include "tests/core/control/pool_bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using PoolTest = PoolBench;

TEST_F(PoolTest, AreSpreadOverZonesAndPackedWithinEach) {
  open({zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b"), zoned("b2", "b"), zoned("c1", "c")});
  std::map<std::string, int> zones;
  std::map<std::string, int> nodes;
  for (const TaskPtr& task : ran(on_pool(9)).tasks) {
    ++zones[task->launch->availability_zone];
    ++nodes[task->node.str()];
  }
  EXPECT_EQ(zones, (std::map<std::string, int>{{"a", 3}, {"b", 3}, {"c", 3}}));
  EXPECT_EQ(nodes.size(), 3u) << "one host of each zone has them all";
}

TEST_F(PoolTest, HaveNoContainerInstanceAndStartOutPreparing) {
  open({zoned("slice-1", "a")});
  const TaskPtr task = ran(on_pool()).tasks.at(0);
  EXPECT_EQ(task->last_status, TaskStatus::Provisioning);
  EXPECT_EQ(task->launch->launch_type, "FARGATE");
  EXPECT_THAT(core->state().instances(), IsEmpty());
  v1::StartTaskRequest start;
  ASSERT_TRUE(start.ParseFromString(plugins.take(v1::METHOD_LAUNCH_START).request));
  EXPECT_EQ(start.availability_zone(), "a");
  crash();
  EXPECT_EQ(core->state().task(task->id)->launch->availability_zone, "a");
}

TEST_F(PoolTest, WithoutRoomFailInEcsWordsThatNameNoHost) {
  open({zoned("slice-1", "a")});
  const auto full = ran(on_pool(5));
  EXPECT_EQ(full.tasks.size(), 4u);
  ASSERT_EQ(full.failures.size(), 1u);
  EXPECT_EQ(full.failures[0].arn, "");
  EXPECT_EQ(full.failures[0].reason,
            "Capacity is unavailable at this time. Please try again later or in a different "
            "availability zone");
}

TEST_F(PoolTest, WithoutAnyHostFailInTheSameWords) {
  open({});
  const auto none = ran(on_pool(2));
  EXPECT_THAT(none.tasks, IsEmpty());
  ASSERT_EQ(none.failures.size(), 2u);
  EXPECT_EQ(none.failures[1].reason.substr(0, 38), "Capacity is unavailable at this time. ");
}

TEST_F(PoolTest, TakeNeitherPlacementConstraintsNorStrategies) {
  open({zoned("slice-1", "a")});
  RunTask constrained = on_pool();
  constrained.request.add_placement_constraints()->set_type("distinctInstance");
  EXPECT_EQ(ask(constrained)->error().message,
            "Placement constraints are not supported with FARGATE launch type.");
  RunTask packed = on_pool();
  packed.request.add_placement_strategy()->set_type("random");
  EXPECT_EQ(ask(packed)->error().message,
            "Placement strategies are not supported with FARGATE launch type.");
  EXPECT_EQ(ask(packed)->error().what, "placementStrategy");
}

TEST_F(PoolTest, AreExplainedByHowPoolsArePlacedUpon) {
  open({zoned("slice-1", "a"), zoned("slice-2", "b")});
  const TaskPtr task = ran(on_pool()).tasks.at(0);
  ExplainTask question;
  question.task = task->id.str();
  auto asked = submit(question);
  settle();
  if (!asked->done()) answer_plan(256, 512);
  const auto& why = asked->as<ExplainTaskAnswer>();
  EXPECT_EQ(why.place.zone, task->launch->availability_zone);
  EXPECT_EQ(why.place.instance_arn, "");
  std::vector<std::string> strategies;
  for (const auto& one : why.strategies) strategies.push_back(one.type() + " " + one.field());
  EXPECT_THAT(strategies,
              ElementsAre("spread attribute:ecs.availability-zone", "bestFit cpu,memory"));
  EXPECT_EQ(why.others_that_fit, 1);
}

TEST_F(PoolTest, OfAServiceStayAliveOnThePool) {
  open({zoned("a1", "a"), zoned("b1", "b")});
  CreateService command;
  command.request.set_service_name("web");
  command.request.set_desired_count(4);
  command.request.set_task_definition("web:1");
  command.request.set_launch_type("FARGATE");
  ask(command);
  while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(256, 512);
  std::map<std::string, int> zones;
  for (const auto& [id, task] : core->state().tasks()) ++zones[task->launch->availability_zone];
  EXPECT_EQ(zones, (std::map<std::string, int>{{"a", 2}, {"b", 2}}));
}

TEST_F(PoolTest, OfAServiceTakeNoStrategyAtAnUpdateEither) {
  open({zoned("a1", "a")});
  CreateService command;
  command.request.set_service_name("web");
  command.request.set_desired_count(1);
  command.request.set_task_definition("web:1");
  command.request.set_launch_type("FARGATE");
  CreateService packed = command;
  packed.request.add_placement_strategy()->set_type("random");
  EXPECT_EQ(ask(packed)->error().what, "placementStrategy");
  ask(command);
  while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(256, 512);
  UpdateService change;
  change.request.set_service("web");
  auto* strategy = change.request.add_placement_strategy();
  strategy->set_type("spread");
  strategy->set_field("attribute:ecs.availability-zone");
  change.present = {"placementStrategy"};
  EXPECT_EQ(ask(change)->error().message,
            "Placement strategies are not supported with FARGATE launch type.");
}

TEST_F(PoolTest, ShowTheirOperatorWhatIsLeftOnEachHost) {
  v1::Node other = zoned("b1", "b", 2048);
  auto& name = *other.add_attributes();
  name.set_name("berth.pool");
  name.set_value("fast");
  v1::Node away = zoned("a2", "a");
  away.set_connected(false);
  open({zoned("a1", "a"), away, other});
  ran(on_pool(2));
  const auto all = ask(ListPools{})->as<PoolsAnswer>().pools;
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name(), "default");
  EXPECT_EQ(all[0].plugin(), "ec2");
  EXPECT_EQ(all[0].cluster(), "default");
  EXPECT_EQ(all[0].availability_zone(), "a");
  ASSERT_EQ(all[0].hosts_size(), 2);
  EXPECT_EQ(all[0].hosts(0).id(), "a1");
  EXPECT_EQ(all[0].hosts(0).cpu(), 1024);
  EXPECT_EQ(all[0].hosts(0).remaining_cpu(), 1024 - 256);
  EXPECT_EQ(all[0].hosts(0).remaining_memory(), 8192 - 512);
  EXPECT_EQ(all[0].hosts(0).tasks(), 1);
  EXPECT_FALSE(all[0].hosts(1).connected());
  EXPECT_EQ(all[0].hosts(1).remaining_cpu(), 0) << "nothing is placed there";
  EXPECT_EQ(all[1].name(), "fast");
  EXPECT_EQ(all[1].hosts(0).tasks(), 1);
  EXPECT_THAT(ask(ListPools{ClusterName("other")})->as<PoolsAnswer>().pools, IsEmpty());
}

}  // namespace
}  // namespace berth::control
