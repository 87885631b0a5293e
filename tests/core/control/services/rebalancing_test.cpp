// SPDX-License-Identifier: Apache-2.0
#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class RebalancingTest : public ServiceBench {
 protected:
  static v1::Node in_zone(const std::string& id, const std::string& zone, std::int64_t cpu = 4096) {
    v1::Node one = node(id, cpu, 4096);
    auto* attribute = one.add_attributes();
    attribute->set_name("ecs.availability-zone");
    attribute->set_value(zone);
    return one;
  }
  std::map<std::string, int> by_node(const std::string& name) {
    std::map<std::string, int> counts;
    for (const TaskPtr& one : tasks_of(name)) ++counts[one->node.str()];
    return counts;
  }
  // Four healthy tasks in the first zone; then an instance comes in the second.
  void fill_one_zone(const CreateService& command) {
    open({in_zone(kNode, "zone-a")});
    submit(command);
    work();
    pass(minutes(1));
  }
  void second_zone_comes(std::int64_t cpu = 4096) {
    snapshot({in_zone(kNode, "zone-a"), in_zone(kNode2, "zone-b", cpu)}, 2);
    work();
  }
};

TEST_F(RebalancingTest, StartsInTheEmptyZoneFirstAndStopsInTheFullOneOnceTheNewAreHealthy) {
  fill_one_zone(create("web", 4));
  EXPECT_EQ(service("web")->data.availability_zone_rebalancing(), "ENABLED") << "ECS's default";
  second_zone_comes();
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 4}, {kNode2, 2}}));
  EXPECT_THAT(
      events_of("web"),
      Contains("(service web) is not AZ balanced with 4 tasks in zone-a, 0 tasks in zone-b. "
               "AZ Rebalancing in progress."));
  EXPECT_THAT(events_of("web"),
              Contains(HasSubstr("has started 2 tasks in zone-b to AZ Rebalance: (task ")));
  pass(seconds(39));
  EXPECT_EQ(tasks_of("web").size(), 6u) << "the new ones are not healthy yet";
  pass(seconds(1));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}}));
  EXPECT_THAT(events_of("web"), Contains("(service web) is AZ balanced with 2 tasks in zone-a, 2 "
                                         "tasks in zone-b."));
  const std::size_t said = events_of("web").size();
  pass(minutes(10));
  EXPECT_EQ(events_of("web").size(), said) << "and that is the end of it";
}

TEST_F(RebalancingTest, KeepsWithinMaximumPercent) {
  CreateService tight = create("web", 4);
  tight.request.mutable_deployment_configuration()->set_maximum_percent(125);
  fill_one_zone(tight);
  second_zone_comes();
  EXPECT_EQ(tasks_of("web").size(), 5u);
  pass(minutes(1));
  pass(minutes(1));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}}));
}

TEST_F(RebalancingTest, DisabledLeavesTasksWhereTheyAre) {
  CreateService still = create("web", 4);
  still.request.set_availability_zone_rebalancing("DISABLED");
  fill_one_zone(still);
  second_zone_comes();
  pass(minutes(5));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 4}}));
  UpdateService on = update("web");
  on.request.set_availability_zone_rebalancing("ENABLED");
  submit(on);
  work();
  pass(minutes(2));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}}));
}

TEST_F(RebalancingTest, EndsWhateverTheDefaultStrategyIs) {
  model::PlacementStrategy binpack;
  binpack.set_type("binpack");
  binpack.set_field("memory");
  config.strategies.defaults = {binpack};
  crash();  // begins anew with it
  fill_one_zone(create("web", 4));
  second_zone_comes();
  for (int i = 0; i < 5; ++i) {
    pass(minutes(2));
    EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}})) << i;
  }
}

TEST_F(RebalancingTest, WaitsForRoomInTheEmptyZone) {
  fill_one_zone(create("web", 4));
  second_zone_comes(256);
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 4}, {kNode2, 1}}));
  pass(minutes(2));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 3}, {kNode2, 1}}))
      << "as even as there is room";
  snapshot({in_zone(kNode, "zone-a"), in_zone(kNode2, "zone-b", 4096)}, 3);
  work();
  pass(minutes(2));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}}));
}

TEST_F(RebalancingTest, NeverAgainstAPlacementConstraint) {
  CreateService bound = create("web", 4);
  auto* constraint = bound.request.add_placement_constraints();
  constraint->set_type("memberOf");
  constraint->set_expression("ec2InstanceId == " + node(kNode).ec2_instance_id());
  fill_one_zone(bound);
  second_zone_comes();
  pass(minutes(5));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 4}}));
}

TEST_F(RebalancingTest, ProtectedTasksAreNotMoved) {
  fill_one_zone(create("web", 4));
  UpdateTaskProtection protect{ClusterName("default"), {}, minutes(60)};
  for (const TaskPtr& one : tasks_of("web")) protect.tasks.push_back(one->id.str());
  ask(protect);
  second_zone_comes();
  pass(minutes(5));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 4}}));
}

TEST_F(RebalancingTest, ARestartInTheMiddleOfAMoveCostsNothing) {
  fill_one_zone(create("web", 4));
  second_zone_comes();
  crash();
  bring_up({in_zone(kNode, "zone-a"), in_zone(kNode2, "zone-b")});
  work();
  EXPECT_EQ(tasks_of("web").size(), 6u);
  pass(minutes(1));
  EXPECT_EQ(by_node("web"), (std::map<std::string, int>{{kNode, 2}, {kNode2, 2}}));
}

TEST_F(RebalancingTest, IsOffWhereItCannotBeAndRefusedWhereItIsAskedFor) {
  open();
  const auto refused = [&](CreateService command, const char* why) {
    command.request.set_availability_zone_rebalancing("ENABLED");
    const auto asked = submit(command);
    work();
    ASSERT_TRUE(asked->done());
    EXPECT_THAT(asked->error().message, HasSubstr(why));
    command.request.clear_availability_zone_rebalancing();
    submit(command);
    work();
    EXPECT_EQ(service(command.request.service_name())->data.availability_zone_rebalancing(),
              "DISABLED");
  };
  CreateService tight = create("tight", 1);
  tight.request.mutable_deployment_configuration()->set_maximum_percent(100);
  refused(tight, "maximumPercent");
  refused(daemon("each"), "DAEMON");
  CreateService packed = create("packed", 1);
  auto* strategy = packed.request.add_placement_strategy();
  strategy->set_type("binpack");
  strategy->set_field("memory");
  refused(packed, "placement strategy");
  CreateService bound = create("bound", 1);
  auto* constraint = bound.request.add_placement_constraints();
  constraint->set_type("memberOf");
  constraint->set_expression("attribute:ecs.availability-zone in [zone-a]");
  refused(bound, "placement constraint");
}

}  // namespace
}  // namespace berth::control
