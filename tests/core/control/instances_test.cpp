// SPDX-License-Identifier: Apache-2.0
// Container instances in their operator's hands: custom attributes, and removal.
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AttributesTest : public Bench {
 protected:
  static ecs::Attribute attribute(const std::string& name, const std::string& value,
                                  const std::string& target = kNode) {
    ecs::Attribute attribute;
    attribute.set_name(name);
    attribute.set_value(value);
    attribute.set_target_id(target);
    return attribute;
  }
  static v1::Node node_with(const std::string& name, const std::string& value) {
    v1::Node with = node();
    auto& reported = *with.add_attributes();
    reported.set_name(name);
    reported.set_value(value);
    return with;
  }
  AskedPtr put(std::vector<ecs::Attribute> attributes) {
    return ask(PutAttributes{ClusterName("default"), std::move(attributes)});
  }
  AskedPtr remove(std::vector<ecs::Attribute> attributes) {
    return ask(DeleteAttributes{ClusterName("default"), std::move(attributes)});
  }
  std::vector<std::string> custom(const std::string& id = kNode) {
    std::vector<std::string> all;
    for (const auto& each : core->state().instance(NodeId(id))->custom_attributes) {
      all.push_back(each.name() + "=" + each.value());
    }
    return all;
  }
  // How many tasks that must have stack = `value` find a place.
  std::size_t placed_on(const std::string& value) {
    RunTask command = run_task();
    auto& constraint = *command.request.add_placement_constraints();
    constraint.set_type("memberOf");
    constraint.set_expression("attribute:stack == " + value);
    return ask(std::move(command))->as<RunTaskAnswer>().tasks.size();
  }
};

TEST_F(AttributesTest, DecideWhereTasksGoAtOnceAndAfterACrash) {
  ready();
  EXPECT_EQ(placed_on("blue"), 0U);
  ASSERT_TRUE(*put({attribute("stack", "blue")})->answer);
  EXPECT_EQ(placed_on("blue"), 1U);
  crash();
  EXPECT_THAT(custom(), ElementsAre("stack=blue"));
  ready();
  EXPECT_EQ(placed_on("blue"), 1U);
  ASSERT_TRUE(*remove({attribute("stack", "")})->answer);
  EXPECT_EQ(placed_on("blue"), 0U);
}

TEST_F(AttributesTest, AreReplacedByNameAndGiveTheInstanceANewVersion) {
  ready();
  const auto before = core->state().instance(NodeId(kNode))->version;
  put({attribute("stack", "blue"), attribute("rack", "1")});
  put({attribute("stack", "green")});
  EXPECT_THAT(custom(), ElementsAre("stack=green", "rack=1"));
  EXPECT_EQ(core->state().instance(NodeId(kNode))->version, before + 2);
}

TEST_F(AttributesTest, GoBeforeWhatTheAgentReportsAndStayThroughItsRegistrations) {
  ready({node_with("stack", "agents")});
  EXPECT_EQ(placed_on("agents"), 1U);
  put({attribute("stack", "blue")});
  EXPECT_EQ(placed_on("agents"), 0U);
  EXPECT_EQ(placed_on("blue"), 1U);
  snapshot({node_with("stack", "changed")}, 2);
  settle();
  EXPECT_EQ(placed_on("blue"), 1U);
  remove({attribute("stack", "")});
  EXPECT_EQ(placed_on("changed"), 1U);
}

TEST_F(AttributesTest, OfAnUnknownTargetChangeNothing) {
  ready({node(), node(kNode2)});
  const auto asked =
      put({attribute("stack", "blue"), attribute("stack", "blue", std::string(32, 'f'))});
  ASSERT_FALSE(*asked->answer);
  EXPECT_EQ(asked->error().subject, Subject::Target);
  EXPECT_EQ(asked->error().code, Errc::NotFound);
  EXPECT_THAT(custom(), IsEmpty());
  const auto elsewhere = ask(PutAttributes{ClusterName("nowhere"), {attribute("a", "b")}});
  EXPECT_EQ(elsewhere->error().subject, Subject::Cluster);
}

TEST_F(AttributesTest, AreTenAnInstanceWithThoseOfItsConfigurationAndWithoutBuiltInOnes) {
  auto with = node_with("stack", "agents");
  auto& built_in = *with.add_attributes();
  built_in.set_name("ecs.os-type");
  built_in.set_value("linux");
  ready({with});
  std::vector<ecs::Attribute> nine;
  for (int i = 0; i < 9; ++i) nine.push_back(attribute("a" + std::to_string(i), "x"));
  ASSERT_TRUE(*put(nine)->answer);
  const auto asked = put({attribute("one-more", "x")});
  ASSERT_FALSE(*asked->answer);
  EXPECT_EQ(asked->error().subject, Subject::AttributeLimit);
  EXPECT_EQ(custom().size(), 9U);
  EXPECT_TRUE(*put({attribute("a0", "y"), attribute("stack", "mine")})->answer) << "no new names";
}

TEST_F(AttributesTest, DoNotHideWhatTheAgentSaysOfItself) {
  ready();
  for (const char* name : {"ecs.instance-type", "com.amazonaws.ecs.capability.ecr-auth"}) {
    const auto asked = put({attribute(name, "x")});
    ASSERT_FALSE(*asked->answer);
    EXPECT_THAT(asked->error().message, HasSubstr(name));
  }
}

TEST_F(AttributesTest, ThatWereDeletedAreGivenBackAndUnknownOnesAreNoError) {
  ready({node_with("rack", "7")});
  put({attribute("stack", "blue")});
  const auto asked = remove({attribute("stack", ""), attribute("nothing", "")});
  const auto& gone = asked->as<AttributesAnswer>().attributes;
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].value(), "blue");
  EXPECT_EQ(gone[0].target_id(), kNode);
  const auto configured = remove({attribute("rack", "")});
  ASSERT_FALSE(*configured->answer);
  EXPECT_THAT(configured->error().message, HasSubstr("configuration of the instance's agent"));
}

class RemovalsTest : public Bench {
 protected:
  AskedPtr remove(const std::string& id, bool force = false) { return ask(RemoveAgent{id, force}); }
};

TEST_F(RemovalsTest, AreAnsweredOnceThePluginHasLetTheHostGo) {
  ready();
  const auto asked = remove(kNode);
  EXPECT_FALSE(asked->done());
  const auto call = plugins.take(v1::METHOD_LAUNCH_UPDATE_NODE);
  v1::UpdateNodeRequest request;
  ASSERT_TRUE(request.ParseFromString(call.request));
  EXPECT_EQ(request.node_id(), kNode);
  EXPECT_EQ(request.wish(), v1::UpdateNodeRequest::WISH_DEREGISTER);
  call.done(v1::Empty().SerializeAsString());
  settle();
  ASSERT_TRUE(asked->done());
  EXPECT_EQ(asked->as<RemoveAgentAnswer>().id.str(), kNode);
}

TEST_F(RemovalsTest, LetNothingBePlacedThereMeanwhile) {
  ready();
  const auto asked = remove(kNode);
  EXPECT_TRUE(ask(run_task())->as<RunTaskAnswer>().tasks.empty());
  refuse(v1::METHOD_LAUNCH_UPDATE_NODE, Errc::Unavailable, "?");
  EXPECT_EQ(asked->error().code, Errc::Unavailable);
  EXPECT_EQ(core->state().instance(NodeId(kNode))->status, InstanceStatus::Active);
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().tasks.size(), 1U);
}

TEST_F(RemovalsTest, KilledInTheMiddleLeaveTheHostAsItWas) {
  ready();
  remove(kNode);
  crash();
  bring_up();
  EXPECT_EQ(core->state().instance(NodeId(kNode))->status, InstanceStatus::Active);
}

TEST_F(RemovalsTest, OfAHostWithTasksNeedForce) {
  ready();
  running();
  const auto asked = remove(kNode);
  ASSERT_TRUE(asked->done());
  EXPECT_THAT(asked->error().message, HasSubstr("has 1 task:"));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_UPDATE_NODE), 0);
  const auto forced = remove(kNode, true);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_UPDATE_NODE), 1);
  EXPECT_FALSE(forced->done());
}

TEST_F(RemovalsTest, ADeregisteredInstanceIsInactiveAndItsTasksHaveEnded) {
  ready();
  const TaskId id = running();
  const ClusterName cluster("default");
  EXPECT_EQ(ask(DeregisterInstance{cluster, kNode})->error().message,
            "Found running tasks on the instance.");
  EXPECT_EQ(ask(DeregisterInstance{ClusterName("other"), kNode, true})->error().code,
            Errc::NotFound);
  const auto asked = ask(DeregisterInstance{cluster, kNode, true});
  EXPECT_FALSE(asked->done());
  plugins.take(v1::METHOD_LAUNCH_UPDATE_NODE).done(v1::Empty().SerializeAsString());
  settle();
  ASSERT_TRUE(asked->done());
  const auto& instances = asked->as<InstancesAnswer>().instances;
  ASSERT_EQ(instances.size(), 1u);
  EXPECT_EQ(instances[0]->status, InstanceStatus::Inactive);
  EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(ask(DeregisterInstance{cluster, kNode})->error().code, Errc::NotFound);
}

TEST_F(RemovalsTest, TellWhatStandsInTheWay) {
  ready();
  EXPECT_EQ(remove(std::string(32, 'f'))->error().code, Errc::NotFound);
  const auto asked = remove(kNode);
  refuse(v1::METHOD_LAUNCH_UPDATE_NODE, Errc::Internal, "the disk is full");
  EXPECT_EQ(asked->error().message, "the disk is full");
}

class ClustersOfHostsTest : public RemovalsTest {
 protected:
  static v1::Node of_cluster(const std::string& cluster) {
    v1::Node host = node();
    host.set_cluster(cluster);
    auto& name = *host.add_attributes();
    name.set_name("berth.hostname");
    name.set_value("web-3");
    return host;
  }
  void make(const std::string& cluster) {
    CreateCluster command;
    command.request.set_cluster_name(cluster);
    ask(command);
  }
  void say(v1::Node host) {
    snapshot({std::move(host)}, ++generation_);
    settle();
  }
  ContainerInstancePtr instance() { return core->state().instance(NodeId(kNode)); }

 private:
  std::uint64_t generation_ = 1;
};

TEST_F(ClustersOfHostsTest, AHostOfAClusterThatIsNotThereWaitsAndThatIsTold) {
  bring_up({of_cluster("nope")});
  EXPECT_FALSE(instance());
  ASSERT_EQ(core->state().waiting_nodes().count(NodeId(kNode)), 1u);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("web-3"));
  EXPECT_THAT(warnings[0], HasSubstr("waits: there is no cluster 'nope'"));
  say(of_cluster("nope"));
  EXPECT_EQ(warnings.size(), 1u) << "once is enough";
  make("nope");
  EXPECT_TRUE(core->state().waiting_nodes().empty());
  ASSERT_TRUE(instance());
  EXPECT_EQ(instance()->cluster.str(), "nope");
}

TEST_F(ClustersOfHostsTest, AHostThatWaitsCanBeRemoved) {
  bring_up({of_cluster("nope")});
  const auto asked = remove(kNode);
  answer(v1::METHOD_LAUNCH_UPDATE_NODE, v1::Empty());
  EXPECT_EQ(asked->as<RemoveAgentAnswer>().id.str(), kNode);
  snapshot({}, 2);
  settle();
  EXPECT_TRUE(core->state().waiting_nodes().empty());
}

TEST_F(ClustersOfHostsTest, AHostWhoseClusterIsCorrectedMovesThere) {
  bring_up({of_cluster("nope")});
  say(of_cluster("default"));
  EXPECT_TRUE(core->state().waiting_nodes().empty());
  ASSERT_TRUE(instance());
  make("blue");
  say(of_cluster("blue"));
  EXPECT_EQ(instance()->cluster.str(), "blue");
  EXPECT_EQ(instance()->status, InstanceStatus::Active);
  EXPECT_TRUE(core->state().instances_of(ClusterName("default")).empty());
  EXPECT_EQ(core->placement_stats().nodes, 1u);
}

TEST_F(ClustersOfHostsTest, AHostWithTasksStaysInItsClusterUntilTheyHaveEnded) {
  ready();
  make("blue");
  const TaskId id = running();
  say(of_cluster("blue"));
  EXPECT_EQ(instance()->cluster.str(), "default");
  EXPECT_TRUE(instance()->node.connected());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("stays in 'default' while it has tasks (1 now)"));
  say(of_cluster("blue"));
  EXPECT_EQ(warnings.size(), 1u);
  report(report_of(id, 11, v1::TASK_PHASE_STOPPED));
  say(of_cluster("blue"));
  EXPECT_EQ(instance()->cluster.str(), "blue");
}

}  // namespace
}  // namespace berth::control
