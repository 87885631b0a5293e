// SPDX-License-Identifier: Apache-2.0
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kUnknown = "ffffffffffffffffffffffffffffffff";

class StartTaskTest : public Bench {
 protected:
  static StartTask start_task(const std::vector<std::string>& instances,
                              const std::string& definition = "web") {
    StartTask command;
    command.request.set_task_definition(definition);
    for (const std::string& id : instances) command.request.add_container_instances(id);
    return command;
  }
  static std::vector<std::string> reasons(const RunTaskAnswer& answer) {
    std::vector<std::string> out;
    for (const Failure& failure : answer.failures) out.push_back(failure.reason);
    return out;
  }
  static std::vector<std::string> nodes(const RunTaskAnswer& answer) {
    std::vector<std::string> out;
    for (const TaskPtr& task : answer.tasks) out.push_back(task->node.str());
    return out;
  }
};

TEST_F(StartTaskTest, StartsOneTaskOnEachInstanceNamedInTheirOrder) {
  ready({node(kNode), node(kNode2)});
  const auto answer = ask(start_task({kNode2, kNode, kNode2}))->as<RunTaskAnswer>();
  EXPECT_THAT(nodes(answer), ElementsAre(kNode2, kNode, kNode2));
  EXPECT_TRUE(answer.failures.empty());
  ASSERT_EQ(answer.instances.size(), 3u);
  EXPECT_EQ(answer.instances[0]->id.str(), kNode2);
  EXPECT_EQ(answer.tasks[0]->launch->placed_by, "StartTask");
  EXPECT_EQ(answer.tasks[0]->launch->group, "family:web");
  EXPECT_EQ(answer.tasks[0]->launch->launch_type, "EC2");
  EXPECT_EQ(core->state().reserved_on(NodeId(kNode2)).cpu(), 512);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 3);
}

TEST_F(StartTaskTest, AsksForThePlanFirstAndAnswersOnceTheTaskIsDurable) {
  bring_up();
  ask(definition());
  auto asked = submit(start_task({kNode}));
  settle();
  EXPECT_FALSE(asked->done());
  answer_plan();
  ASSERT_TRUE(asked->done());
  const TaskId id = asked->as<RunTaskAnswer>().tasks.at(0)->id;
  crash();
  EXPECT_EQ(task(id)->launch->placed_by, "StartTask") << "it was stored";
}

TEST_F(StartTaskTest, NamesTheReasonOfEachInstanceThatTakesNone) {
  v1::Node small = node(kNode2, 100, 1024);
  ready({node(kNode), small});
  const auto answer = ask(start_task({kUnknown, kNode2, kNode}))->as<RunTaskAnswer>();
  EXPECT_THAT(nodes(answer), ElementsAre(kNode)) << "the others do not hinder it";
  EXPECT_THAT(reasons(answer), ElementsAre("MISSING", "RESOURCE:CPU"));
  const std::string prefix = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/";
  EXPECT_EQ(answer.failures[0].arn, prefix + kUnknown);
  EXPECT_THAT(answer.failures[0].detail, HasSubstr("ListContainerInstances"));
  EXPECT_EQ(answer.failures[1].arn, prefix + kNode2);
  EXPECT_EQ(answer.failures[1].detail, "The task needs 256 cpu units, 100 left.");
}

TEST_F(StartTaskTest, SaysInactiveOfADeregisteredAndAgentOfADisconnectedInstance) {
  ready({node(kNode), node(kNode2)});
  v1::Node away = node(kNode);
  away.set_connected(false);
  snapshot({away}, 2);
  settle();
  EXPECT_THAT(reasons(ask(start_task({kNode, kNode2}))->as<RunTaskAnswer>()),
              ElementsAre("AGENT", "INACTIVE"));
  core->plugin_down(PluginName("ec2"));
  settle();
  EXPECT_THAT(reasons(ask(start_task({kNode}))->as<RunTaskAnswer>()), ElementsAre("AGENT"));
}

TEST_F(StartTaskTest, SaysAttributeAndPortsAndHoldsToTheDefinitionsConstraints) {
  v1::Node left = node(kNode);
  left.add_attributes()->set_name("side");
  left.mutable_attributes(0)->set_value("left");
  bring_up({left});
  RegisterTaskDefinition picky = definition("picky");
  picky.request.add_placement_constraints()->set_type("memberOf");
  picky.request.mutable_placement_constraints(0)->set_expression("attribute:side == right");
  ask(picky);
  auto constrained = submit(start_task({kNode}, "picky"));
  settle();
  answer_plan();
  EXPECT_THAT(reasons(constrained->as<RunTaskAnswer>()),
              ElementsAre("MemberOf placement constraint unsatisfied."));

  ask(definition());
  auto needy = submit(start_task({kNode, kNode}));
  settle();
  v1::PlanResponse plan;
  plan.mutable_requirement()->add_attributes()->set_name("ecs.capability.rare");
  answer(v1::METHOD_LAUNCH_PLAN, plan);
  EXPECT_THAT(reasons(needy->as<RunTaskAnswer>()), ElementsAre("ATTRIBUTE", "ATTRIBUTE"));
  EXPECT_THAT(needy->as<RunTaskAnswer>().failures[0].detail, HasSubstr("ecs.capability.rare"));

  StartTask ported = start_task({kNode, kNode});
  ported.request.mutable_overrides()->set_cpu("512");  // a plan of its own
  auto asked = submit(ported);
  settle();
  v1::PlanResponse fixed;
  fixed.mutable_requirement()->add_ports()->set_number(80);
  fixed.mutable_requirement()->mutable_ports(0)->set_protocol(v1::Port::PROTOCOL_TCP);
  answer(v1::METHOD_LAUNCH_PLAN, fixed);
  EXPECT_EQ(asked->as<RunTaskAnswer>().tasks.size(), 1u);
  EXPECT_THAT(reasons(asked->as<RunTaskAnswer>()), ElementsAre("RESOURCE:PORTS"));
}

TEST_F(StartTaskTest, CarriesGroupStarterTagsAndOverrides) {
  ready();
  StartTask command = start_task({kNode});
  command.request.set_group("batch");
  command.request.set_started_by("me");
  command.request.set_enable_ecs_managed_tags(true);
  command.request.add_tags()->set_key("a");
  command.request.set_enable_execute_command(true);
  const auto answer = ask(command)->as<RunTaskAnswer>();
  const Launch& launch = *answer.tasks.at(0)->launch;
  EXPECT_EQ(launch.group, "batch");
  EXPECT_EQ(launch.started_by, "me");
  EXPECT_TRUE(launch.enable_execute_command);
  ASSERT_EQ(launch.tags.size(), 2u);
  EXPECT_EQ(launch.tags[1].key(), "aws:ecs:clusterName");
}

TEST_F(StartTaskTest, RefusesWhatTheRecordsDoNotAllow) {
  ready();
  StartTask elsewhere = start_task({kNode});
  elsewhere.request.set_cluster("nowhere");
  EXPECT_EQ(ask(elsewhere)->error().subject, Subject::Cluster);
  EXPECT_EQ(ask(start_task({kNode}, "none"))->error().subject, Subject::TaskDefinition);
  EXPECT_EQ(ask(start_task({}))->error().what, "containerInstances");
  EXPECT_EQ(ask(start_task(std::vector<std::string>(11, kNode)))->error().what,
            "containerInstances");
  StartTask volumes = start_task({kNode});
  volumes.request.add_volume_configurations()->set_name("v");
  EXPECT_EQ(ask(volumes)->error().code, Errc::Unimplemented);
  StartTask service = start_task({kNode});
  service.request.set_propagate_tags("SERVICE");
  EXPECT_EQ(ask(service)->error().what, "propagateTags");
  RegisterTaskDefinition pooled = definition("pooled");
  pooled.compatibilities = {"FARGATE"};
  ask(pooled);
  EXPECT_THAT(ask(start_task({kNode}, "pooled"))->error().message,
              HasSubstr("does not support launch_type EC2"));
}

TEST_F(StartTaskTest, APluginThatRefusesTheDefinitionRefusesTheCall) {
  bring_up();
  ask(definition());
  auto asked = submit(start_task({kNode}));
  settle();
  v1::PlanResponse plan;
  plan.add_refusals()->set_member("networkMode");
  plan.mutable_refusals(0)->set_message("Not here.");
  answer(v1::METHOD_LAUNCH_PLAN, plan);
  EXPECT_EQ(asked->error().message, "networkMode: Not here.");
  EXPECT_TRUE(core->state().tasks().empty());
}

}  // namespace
}  // namespace berth::control
