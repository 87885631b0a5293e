// SPDX-License-Identifier: Apache-2.0
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Awsvpc : public Bench {
 protected:
  Awsvpc() {
    config.networks.subnets = {{"subnet-a", *AddressRange::parse("10.1.0.0/28"), "zone-a"},
                               {"subnet-a2", *AddressRange::parse("10.1.1.0/28"), "zone-a"},
                               {"subnet-b", *AddressRange::parse("10.2.0.0/24"), "zone-b"}};
    v1::SecurityGroup web;
    web.set_id("sg-web");
    web.add_ingress()->set_protocol("tcp");
    web.mutable_ingress(0)->set_group("sg-default");
    config.networks.groups = {default_group(), web};
    core.reset();
    begin();
  }

  static v1::Node zoned(const std::string& id, const std::string& zone, std::int64_t cpu = 65536) {
    v1::Node out = node(id, cpu, 65536);
    out.add_attributes()->set_name("ecs.availability-zone");
    out.mutable_attributes(0)->set_value(zone);
    return out;
  }
  static RunTask run(std::vector<std::string> subnets, int count = 1,
                     std::vector<std::string> groups = {}) {
    RunTask command = run_task(count);
    auto& asked = *command.request.mutable_network_configuration()->mutable_awsvpc_configuration();
    asked.mutable_subnets()->Assign(subnets.begin(), subnets.end());
    asked.mutable_security_groups()->Assign(groups.begin(), groups.end());
    return command;
  }
  void ready_in(std::vector<v1::Node> nodes) {
    bring_up(std::move(nodes));
    auto command = definition();
    command.request.set_network_mode("awsvpc");
    ask(std::move(command));
  }
  // Submits, answers whatever plan is asked for, and gives the answer.
  RunTaskAnswer ran(RunTask command) {
    auto asked = ask(std::move(command));
    while (!asked->done() && plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(1, 1);
    EXPECT_TRUE(*asked->answer) << asked->error().message;
    return asked->as<RunTaskAnswer>();
  }
  std::string refused(RunTask command) {
    auto asked = ask(std::move(command));
    if (!asked->done() || *asked->answer) return "it was accepted";
    EXPECT_EQ(asked->error().code, Errc::Invalid);
    EXPECT_EQ(asked->error().subject, Subject::Request);
    return asked->error().message;
  }
  static std::vector<std::string> addresses(const RunTaskAnswer& answer) {
    std::vector<std::string> out;
    for (const TaskPtr& task : answer.tasks) out.push_back(task->launch->task_interface->address());
    return out;
  }
  void stop(const TaskId& id) {
    while (plugins.count(v1::METHOD_LAUNCH_START) > 0) answer(v1::METHOD_LAUNCH_START, v1::Empty());
    v1::TaskReport end = report_of(id, 100, v1::TASK_PHASE_STOPPED);
    end.set_node_id(task(id)->node.str());
    report(end);
    EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  }
};

TEST_F(Awsvpc, ATaskGetsAnInterfaceWithItsRecordAndItsStart) {
  ready_in({zoned(kNode, "zone-a")});
  const auto answer = ran(run({"subnet-a"}, 1, {"sg-web"}));
  ASSERT_EQ(answer.tasks.size(), 1U);
  EXPECT_EQ(answer.tasks[0]->last_status, TaskStatus::Provisioning);
  const v1::TaskInterface& interface = *answer.tasks[0]->launch->task_interface;
  EXPECT_EQ(interface.address(), "10.1.0.4");
  EXPECT_EQ(interface.subnet_id(), "subnet-a");
  EXPECT_EQ(interface.subnet_cidr(), "10.1.0.0/28");
  EXPECT_EQ(interface.prefix_length(), 28U);
  EXPECT_EQ(interface.gateway(), "10.1.0.1");
  EXPECT_EQ(interface.mac_address(), "02:be:0a:01:00:04");
  EXPECT_EQ(interface.private_dns_name(), "ip-10-1-0-4.ec2.internal");
  EXPECT_THAT(interface.interface_id(), ::testing::MatchesRegex("eni-[0-9a-f]{17}"));
  EXPECT_THAT(interface.network_cidrs(), ElementsAre("10.1.0.0/28", "10.1.1.0/28", "10.2.0.0/24"));
  ASSERT_EQ(interface.groups_size(), 1);
  EXPECT_EQ(interface.groups(0).ingress(0).group(), "sg-default");
  v1::StartTaskRequest start;
  ASSERT_TRUE(start.ParseFromString(plugins.take(v1::METHOD_LAUNCH_START).request));
  EXPECT_EQ(start.task_interface().SerializeAsString(), interface.SerializeAsString());
}

TEST_F(Awsvpc, WithoutGroupsItIsInTheDefaultOne) {
  ready_in({zoned(kNode, "zone-a")});
  const auto answer = ran(run({"subnet-a"}));
  EXPECT_EQ(answer.tasks[0]->launch->task_interface->groups(0).id(), "sg-default");
}

TEST_F(Awsvpc, WhatACallNamesMustBeThere) {
  ready_in({zoned(kNode, "zone-a")});
  EXPECT_EQ(refused(run_task()),
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  EXPECT_EQ(refused(run({})), "subnets can not be empty.");
  EXPECT_THAT(refused(run({"subnet-x"})), HasSubstr("The subnet ID 'subnet-x' does not exist"));
  EXPECT_THAT(refused(run({"subnet-a"}, 1, {"sg-x"})),
              HasSubstr("The security group 'sg-x' does not exist"));
  ask(definition("plain"));
  RunTask other = run({"subnet-a"});
  other.request.set_task_definition("plain");
  EXPECT_EQ(
      refused(other),
      "Network Configuration is not valid for the given networkMode of this task definition.");
}

TEST_F(Awsvpc, TasksGoToTheZonesOfTheirSubnets) {
  ready_in({zoned(kNode, "zone-a"), zoned(kNode2, "zone-b")});
  const auto answer = ran(run({"subnet-b"}, 3));
  EXPECT_THAT(addresses(answer), ElementsAre("10.2.0.4", "10.2.0.5", "10.2.0.6"));
  for (const TaskPtr& task : answer.tasks) EXPECT_EQ(task->node.str(), kNode2);
  const auto both = ran(run({"subnet-a", "subnet-b"}, 4));
  for (const TaskPtr& task : both.tasks) {
    EXPECT_EQ(task->launch->task_interface->subnet_id(),
              task->node.str() == kNode ? "subnet-a" : "subnet-b");
  }
}

TEST_F(Awsvpc, AnInstanceOfAnotherZoneIsRefusedByItsLocation) {
  ready_in({zoned(kNode, "zone-a")});
  const auto answer = ran(run({"subnet-b"}));
  EXPECT_TRUE(answer.tasks.empty());
  ASSERT_EQ(answer.failures.size(), 1U);
  EXPECT_EQ(answer.failures[0].reason, "LOCATION");
}

TEST_F(Awsvpc, AFullSubnetIsFollowedByTheNextAndThenByAFailure) {
  ready_in({zoned(kNode, "zone-a")});
  const auto ten = ran(run({"subnet-a", "subnet-a2"}, 10));
  EXPECT_EQ(ten.tasks.size(), 10U);
  const auto more = ran(run({"subnet-a", "subnet-a2"}, 10));
  EXPECT_THAT(addresses(more)[0], "10.1.0.14");
  EXPECT_THAT(addresses(more)[1], "10.1.1.4");
  const auto last = ran(run({"subnet-a", "subnet-a2"}, 5));
  EXPECT_EQ(last.tasks.size(), 2U);
  ASSERT_EQ(last.failures.size(), 3U);
  EXPECT_EQ(last.failures[0].reason, "RESOURCE:ENI");
  EXPECT_THAT(last.failures[0].detail, HasSubstr("subnet-a, subnet-a2"));
  EXPECT_EQ(core->state().reserved_on(NodeId(kNode)).cpu(), 22)
      << "a place without an address is given back";
}

TEST_F(Awsvpc, AnAddressComesBackWhenItsTaskHasStoppedAndIsTheLastToBeGivenAgain) {
  ready_in({zoned(kNode, "zone-a")});
  const auto first = ran(run({"subnet-a"}, 10));
  const auto eleventh = ran(run({"subnet-a"}));
  EXPECT_THAT(addresses(eleventh), ElementsAre("10.1.0.14"));
  EXPECT_TRUE(ran(run({"subnet-a"})).tasks.empty());
  ask(stop_task(first.tasks[3]->id));
  EXPECT_TRUE(ran(run({"subnet-a"})).tasks.empty()) << "it has not stopped yet";
  stop(first.tasks[3]->id);
  stop(first.tasks[1]->id);
  EXPECT_THAT(addresses(ran(run({"subnet-a"}))), ElementsAre(addresses(first)[3]));
  EXPECT_THAT(addresses(ran(run({"subnet-a"}))), ElementsAre(addresses(first)[1]));
}

TEST_F(Awsvpc, AddressesAreKeptOverACrash) {
  ready_in({zoned(kNode, "zone-a")});
  const auto first = ran(run({"subnet-a"}, 5));
  stop(first.tasks[4]->id);
  crash();
  bring_up({zoned(kNode, "zone-a")});
  for (const TaskPtr& before : first.tasks) {
    const TaskPtr after = task(before->id);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->launch->task_interface->SerializeAsString(),
              before->launch->task_interface->SerializeAsString());
  }
  const auto next = ran(run({"subnet-a"}, 6));
  EXPECT_THAT(addresses(next), ElementsAre("10.1.0.9", "10.1.0.10", "10.1.0.11", "10.1.0.12",
                                           "10.1.0.13", "10.1.0.14"));
  EXPECT_THAT(addresses(ran(run({"subnet-a"}))), ElementsAre("10.1.0.8"))
      << "that of the stopped task";
}

}  // namespace
}  // namespace berth::control
