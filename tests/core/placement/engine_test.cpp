// SPDX-License-Identifier: Apache-2.0
#include "core/placement/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

namespace berth::placement {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

NodeSpec host(std::string id, std::string zone = "a") {
  return {.id = std::move(id),
          .owner = "ec2",
          .cpu = 1024,
          .memory_mib = 2048,
          .eni_slots = 2,
          .attributes = {{std::string(kZoneAttribute), std::move(zone)}}};
}

Request request(Needs needs, std::vector<Strategy> strategies = {{Strategy::Kind::BinpackCpu}}) {
  return {.group = "family:web",
          .needs = {{"ec2", std::move(needs)}},
          .strategies = std::move(strategies)};
}

class EngineTest : public ::testing::Test {
 protected:
  NodeIndex add(NodeSpec spec) { return engine.add_node(std::move(spec)).value(); }
  RequestId compile(const Request& r) {
    auto id = engine.compile(r);
    EXPECT_TRUE(id.has_value()) << id.error().message;
    return *id;
  }
  std::vector<std::uint32_t> place(RequestId id, std::size_t count) {
    std::vector<std::uint32_t> out;
    for (const Placement& placed : engine.place_many(id, count, 7))
      out.push_back(static_cast<std::uint32_t>(placed.node));
    return out;
  }
  // The ECS reason and the words of each refusal, in node order.
  std::vector<std::pair<std::string, std::string>> refusals(RequestId id) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const Refusal& refusal : engine.explain(id).refusals)
      out.emplace_back(refusal.ecs_reason(), refusal.detail());
    return out;
  }
  Engine engine;
};

using Pair = std::pair<std::string, std::string>;

TEST_F(EngineTest, FillsTheFullestNodeFirstWhenPacking) {
  add(host("n0"));
  const NodeIndex second = add(host("n1"));
  ASSERT_TRUE(engine.adopt({.node = second, .needs = {.cpu = 512}, .group = "g"}).has_value());
  EXPECT_THAT(place(compile(request({.cpu = 256})), 4), ElementsAre(1, 1, 0, 0));
}

TEST_F(EngineTest, PacksByMemoryWhereAsked) {
  NodeSpec small = host("n1");
  small.memory_mib = 512;
  add(host("n0"));
  add(small);
  EXPECT_THAT(place(compile(request({.memory_mib = 256}, {{Strategy::Kind::BinpackMemory}})), 3),
              ElementsAre(1, 1, 0));
}

TEST_F(EngineTest, SpreadsOverZonesThenInstancesForServices) {
  add(host("n0", "a"));
  add(host("n1", "a"));
  add(host("n2", "b"));
  Request r = request({.cpu = 1}, {});
  r.service = "web";
  EXPECT_THAT(place(compile(r), 4), ElementsAre(0, 2, 1, 2));
}

TEST_F(EngineTest, TreatsNodesWithoutTheSpreadAttributeAsABucketOfTheirOwn) {
  add(host("n0", "a"));
  NodeSpec bare = host("n1");
  bare.attributes.clear();
  add(bare);
  const auto spread = Strategy{Strategy::Kind::SpreadAttribute, std::string(kZoneAttribute)};
  EXPECT_THAT(place(compile(request({.cpu = 1}, {spread})), 4), ElementsAre(0, 1, 0, 1));
}

TEST_F(EngineTest, CountsServicesApartFromGroupsWhenSpreading) {
  add(host("n0"));
  add(host("n1"));
  // Another task of the same group, of no service.
  ASSERT_TRUE(engine.adopt({.node = NodeIndex{0}, .needs = {}, .group = "family:web"}).has_value());
  Request r = request({.cpu = 1}, {{Strategy::Kind::SpreadInstance}});
  EXPECT_THAT(place(compile(r), 1), ElementsAre(1));
  r.service = "web";
  EXPECT_THAT(place(compile(r), 1), ElementsAre(0));
}

TEST_F(EngineTest, ChoosesRandomlyButRepeatably) {
  for (int i = 0; i < 50; ++i) add(host("n" + std::to_string(i)));
  const RequestId id = compile(request({.cpu = 1}, {{Strategy::Kind::Random}}));
  const auto first = engine.what_if(id, 20, 1);
  EXPECT_EQ(engine.what_if(id, 20, 1), first);
  EXPECT_NE(engine.what_if(id, 20, 1000), first);
  const std::set<NodeIndex> distinct(first.begin(), first.end());
  EXPECT_GT(distinct.size(), 8U);
}

TEST_F(EngineTest, FindsTheOnlyNodeWithoutTheSetWhenChoosingRandomly) {
  for (int i = 0; i < 500; ++i) add(host("n" + std::to_string(i)));
  Request distinct = request({.cpu = 1}, {{Strategy::Kind::Random}});
  distinct.constraints = {{Constraint::Kind::DistinctInstance}};
  const RequestId id = compile(distinct);
  const auto placed = engine.place_many(id, 500, 11);
  ASSERT_EQ(placed.size(), 500U);
  EXPECT_FALSE(engine.place(id, 1).has_value());
  for (const std::size_t freed : {3U, 250U, 499U}) {
    engine.release(placed[freed].reservation);
    EXPECT_EQ(engine.place(id, freed)->node, placed[freed].node);
  }
}

TEST_F(EngineTest, FindsTheOnlyNodeThatFitsWhenChoosingRandomly) {
  for (int i = 0; i < 500; ++i) {
    NodeSpec spec = host("n" + std::to_string(i));
    spec.cpu = i == 321 ? 4096 : 128;
    add(spec);
  }
  EXPECT_THAT(place(compile(request({.cpu = 1024}, {{Strategy::Kind::Random}})), 2),
              ElementsAre(321, 321));
}

TEST_F(EngineTest, NamesTheFirstCheckThatFailsOnEachNode) {
  NodeSpec spec = host("n0");
  spec.state = NodeSpec::State::Draining;
  add(spec);
  spec = host("n1");
  spec.connected = false;
  add(spec);
  add(host("n2", "z"));
  add(host("n3"));
  const auto with = [&](std::string id, auto change) {
    NodeSpec able = host(std::move(id));
    able.attributes.push_back({"ecs.capability.task-eni"});
    change(able);
    add(able);
  };
  with("n4", [](NodeSpec& n) { n.cpu = 99; });
  with("n5", [](NodeSpec& n) { n.memory_mib = 1; });
  with("n6", [](NodeSpec& n) { n.reserved_ports = {{Port::Protocol::Tcp, 80}}; });
  with("n7", [](NodeSpec& n) { n.eni_slots = 0; });
  with("n8", [](NodeSpec&) {});
  with("n9", [](NodeSpec& n) { n.devices = {{.id = "g0", .type = "GPU"}}; });
  with("n10", [](NodeSpec& n) {
    n.devices = {{.id = "g0", .type = "GPU"}};
    n.capacities = {{"licence", 5, 1}};
  });
  with("n11", [](NodeSpec& n) {
    n.devices = {{.id = "g0", .type = "GPU"}};
    n.capacities = {{"licence", 5}};
  });
  with("n12", [](NodeSpec& n) {
    n.devices = {{.id = "g0", .type = "GPU"}};
    n.capacities = {{"licence", 5}};
    n.attributes.push_back({"stack", "prod"});
  });
  with("other", [](NodeSpec& n) { n.owner = "fargate"; });
  ASSERT_TRUE(
      engine.adopt({.node = NodeIndex{12}, .needs = {}, .group = "family:web"}).has_value());

  Request r = request({.cpu = 100,
                       .memory_mib = 10,
                       .eni_slots = 1,
                       .ports = {{Port::Protocol::Tcp, 80}},
                       .amounts = {{"licence", 2}},
                       .devices = {{.type = "GPU", .count = 1}},
                       .attributes = {{"ecs.capability.task-eni"}}});
  r.zones = {"a", "b"};
  r.constraints = {{Constraint::Kind::DistinctInstance},
                   {Constraint::Kind::MemberOf, "attribute:stack == prod"}};
  EXPECT_THAT(
      refusals(compile(r)),
      ElementsAre(Pair("INACTIVE", "is draining"), Pair("AGENT", "its agent is not connected"),
                  Pair("LOCATION", "is in the zone 'z', which is not among those of the subnets"),
                  Pair("ATTRIBUTE", "lacks the attribute ecs.capability.task-eni"),
                  Pair("RESOURCE:CPU", "needs 100 cpu units, 99 left"),
                  Pair("RESOURCE:MEMORY", "needs 10 MiB of memory, 1 left"),
                  Pair("RESOURCE:PORTS", "its port 80/tcp is taken"),
                  Pair("RESOURCE:ENI", "needs 1 network interfaces, 0 left"),
                  Pair("RESOURCE:GPU", "has no free GPU of the kind that is needed"),
                  Pair("RESOURCE:licence", "needs 2 of licence, 0 left"),
                  Pair("RESOURCE:licence", "needs 2 of licence, 1 left"),
                  Pair("MemberOf placement constraint unsatisfied.",
                       "does not satisfy attribute:stack == prod"),
                  Pair("DistinctInstance placement constraint unsatisfied.",
                       "already runs a task of the same set")));
}

TEST_F(EngineTest, PlacesOneTaskANodeUnderDistinctInstance) {
  add(host("n0"));
  add(host("n1"));
  Request r = request({.cpu = 1});
  r.constraints = {{Constraint::Kind::DistinctInstance}};
  const RequestId id = compile(r);
  const auto placed = engine.place_many(id, 5, 0);
  ASSERT_EQ(placed.size(), 2U);
  // A task that is to stop makes room at once, before it gives back its resources.
  EXPECT_TRUE(engine.retire(placed[1].reservation));
  EXPECT_THAT(place(id, 5), ElementsAre(1));
}

TEST_F(EngineTest, GivesAHostPortToOneTaskPerProtocol) {
  add(host("n0"));
  const RequestId tcp = compile(request({.ports = {{Port::Protocol::Tcp, 53}}}));
  const RequestId udp = compile(request({.ports = {{Port::Protocol::Udp, 53}}}));
  const auto first = engine.place(tcp, 0);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(engine.place(tcp, 0).has_value());
  EXPECT_TRUE(engine.place(udp, 0).has_value());
  EXPECT_TRUE(engine.release(first->reservation));
  EXPECT_TRUE(engine.place(tcp, 0).has_value());
}

TEST_F(EngineTest, LetsEachOwnersNodesStateTheirOwnNeeds) {
  NodeSpec pool = host("p0");
  pool.owner = "pool";
  add(host("n0"));
  add(pool);
  Request r = request({.cpu = 2000});
  r.needs.push_back({"pool", {.cpu = 10}});
  const RequestId id = compile(r);
  EXPECT_THAT(place(id, 1), ElementsAre(1));
  EXPECT_EQ(engine.remaining(NodeIndex{1})->cpu, 1014);
}

TEST_F(EngineTest, KeepsToTheCapacityProviderThatIsAskedFor) {
  NodeSpec spot = host("n1");
  spot.capacity_provider = "spot";
  add(host("n0"));
  add(spot);
  Request r = request({.cpu = 1});
  r.capacity_provider = "spot";
  const RequestId id = compile(r);
  EXPECT_THAT(place(id, 1), ElementsAre(1));
  EXPECT_THAT(engine.explain(id).refusals, IsEmpty());
  EXPECT_THAT(engine.explain(id).fitting, ElementsAre(NodeIndex{1}));
}

TEST_F(EngineTest, SeesNodesChangeBetweenDecisions) {
  const NodeIndex node = add(host("n0", "a"));
  Request r = request({.cpu = 1});
  r.constraints = {{Constraint::Kind::MemberOf, "attribute:ecs.availability-zone == b"}};
  const RequestId id = compile(r);
  EXPECT_THAT(place(id, 1), IsEmpty());
  ASSERT_TRUE(engine.change_node(node, host("n0", "b")).has_value());
  EXPECT_THAT(place(id, 1), ElementsAre(0));
  EXPECT_TRUE(engine.set_status(node, {.connected = false}));
  EXPECT_THAT(place(id, 1), IsEmpty());
  EXPECT_TRUE(engine.set_status(node, {}));
  EXPECT_THAT(place(id, 1), ElementsAre(0));
}

TEST_F(EngineTest, CatchesUpWithMoreChangesThanItsLogHolds) {
  for (int i = 0; i < 10; ++i) add(host("n" + std::to_string(i)));
  const RequestId id = compile(request({.cpu = 1}));
  EXPECT_THAT(place(id, 1), ElementsAre(0));
  for (int i = 0; i < 10'000; ++i)
    engine.set_status(NodeIndex{static_cast<std::uint32_t>(i % 9)},
                      {.connected = (i / 9) % 2 == 1});
  engine.set_status(NodeIndex{0}, {.connected = false});
  for (std::uint32_t i = 0; i < 9; ++i) engine.set_status(NodeIndex{i}, {.connected = false});
  EXPECT_THAT(place(id, 1), ElementsAre(9));
}

TEST_F(EngineTest, KeepsWhatTasksHoldWhenANodeShrinks) {
  const NodeIndex node = add(host("n0"));
  const RequestId id = compile(request({.cpu = 800}));
  const auto placed = engine.place(id, 0);
  NodeSpec small = host("n0");
  small.cpu = 500;
  ASSERT_TRUE(engine.change_node(node, small).has_value());
  EXPECT_EQ(engine.remaining(node)->cpu, -300);
  EXPECT_THAT(place(compile(request({.cpu = 1})), 1), IsEmpty());
  EXPECT_THAT(place(compile(request({.memory_mib = 1})), 1), ElementsAre(0));  // it wants no cpu
  EXPECT_TRUE(engine.release(placed->reservation));
  EXPECT_EQ(engine.remaining(node)->cpu, 500);
}

TEST_F(EngineTest, ForgetsReservationsWithTheirNodeAndNeverReusesTheirIds) {
  const NodeIndex node = add(host("n0"));
  const RequestId id = compile(request({.cpu = 1}));
  const auto old = engine.place(id, 0);
  EXPECT_TRUE(engine.remove_node(node));
  EXPECT_FALSE(engine.release(old->reservation));
  EXPECT_EQ(add(host("n1")), node);  // the index is free again
  const auto fresh = engine.place(id, 0);
  EXPECT_NE(fresh->reservation, old->reservation);
  EXPECT_FALSE(engine.release(old->reservation));
  EXPECT_EQ(engine.remaining(node)->cpu, 1023);
}

TEST_F(EngineTest, ReadoptsDevicesThatComeBackWithTheirNode) {
  NodeSpec spec = host("n0");
  const NodeIndex node = add(spec);
  ASSERT_TRUE(
      engine.adopt({.node = node, .needs = {}, .group = "g", .devices = {{.device_id = "g1"}}})
          .has_value());
  spec.devices = {{.id = "g0", .type = "GPU"}, {.id = "g1", .type = "GPU"}};
  ASSERT_TRUE(engine.change_node(node, spec).has_value());
  const auto placed =
      engine.place_many(compile(request({.devices = {{.type = "GPU", .count = 1}}})), 2, 0);
  ASSERT_EQ(placed.size(), 1U);
  EXPECT_EQ(placed[0].devices, (std::vector<DeviceGrant>{{.need = 0, .device_id = "g0"}}));
}

TEST_F(EngineTest, LeavesNoTraceOfAQuestion) {
  add(host("n0"));
  add(host("n1"));
  const RequestId id = compile(request({.cpu = 400}));
  EXPECT_THAT(engine.what_if(id, 10, 0),
              ElementsAre(NodeIndex{0}, NodeIndex{0}, NodeIndex{1}, NodeIndex{1}));
  EXPECT_EQ(engine.remaining(NodeIndex{0})->cpu, 1024);
  EXPECT_EQ(engine.remaining(NodeIndex{0})->tasks, 0U);
  EXPECT_EQ(engine.group_count(NodeIndex{0}, "family:web"), 0U);
}

TEST_F(EngineTest, StartsOnOneNodeOnlyIfItFits) {
  const NodeIndex node = add(host("n0"));
  const RequestId id = compile(request({.cpu = 600}));
  EXPECT_TRUE(engine.place_on(id, node).has_value());
  const auto second = engine.place_on(id, node);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().ecs_reason(), "RESOURCE:CPU");
  EXPECT_EQ(second.error().available, 424);
  EXPECT_EQ(engine.place_on(id, NodeIndex{9}).error().reason, Reason::Owner);
}

TEST_F(EngineTest, AnswersUnknownHandlesWithoutHarm) {
  EXPECT_FALSE(engine.place(RequestId{3}, 0).has_value());
  EXPECT_FALSE(engine.drop(RequestId{3}));
  EXPECT_FALSE(engine.remove_node(NodeIndex{3}));
  EXPECT_FALSE(engine.set_status(NodeIndex{3}, {}));
  EXPECT_FALSE(engine.remaining(NodeIndex{3}).has_value());
  EXPECT_EQ(engine.node(NodeIndex{3}).id, "");
  EXPECT_FALSE(engine.release(ReservationId::None));
  EXPECT_FALSE(engine.retire(ReservationId{77}));
  EXPECT_EQ(engine.change_node(NodeIndex{3}, host("n")).error().code, Error::Code::NotFound);
  EXPECT_EQ(engine.adopt({.node = NodeIndex{3}, .needs = {}, .group = "g"}).error().code,
            Error::Code::NotFound);
  const RequestId id = compile(request({.cpu = 1}));
  EXPECT_FALSE(engine.place(id, 0).has_value());  // no nodes at all
  EXPECT_TRUE(engine.drop(id));
  EXPECT_FALSE(engine.place(id, 0).has_value());
}

TEST_F(EngineTest, RefusesNodesThatCannotBe) {
  add(host("n0"));
  const auto refused = [this](auto change, std::string_view what,
                              Error::Code code = Error::Code::Invalid) {
    NodeSpec spec = host("bad");
    change(spec);
    const auto added = engine.add_node(spec);
    ASSERT_FALSE(added.has_value()) << what;
    EXPECT_EQ(added.error().what, what);
    EXPECT_EQ(added.error().code, code);
  };
  refused([](NodeSpec& n) { n.id = "n0"; }, "id", Error::Code::AlreadyExists);
  refused([](NodeSpec& n) { n.id = ""; }, "id");
  refused([](NodeSpec& n) { n.cpu = -1; }, "cpu");
  refused([](NodeSpec& n) { n.memory_mib = kMaxAmount + 1; }, "memory_mib");
  refused([](NodeSpec& n) { n.eni_slots = std::numeric_limits<std::int64_t>::max(); }, "eni_slots");
  refused([](NodeSpec& n) { n.capacities = {{"x", 1}, {"x", 2}}; }, "capacities[1].name");
  refused([](NodeSpec& n) { n.capacities = {{"x", -1}}; }, "capacities[0].total");
  refused(
      [](NodeSpec& n) {
        n.devices = {{.id = "g", .type = "GPU"}, {.id = "g", .type = "GPU"}};
      },
      "devices[1].id");
  refused([](NodeSpec& n) { n.devices = {{.id = "g", .type = ""}}; }, "devices[0].type");
  refused(
      [](NodeSpec& n) {
        n.devices = {{.id = "g", .type = "GPU", .parent = "h"},
                     {.id = "h", .type = "GPU", .parent = "g"}};
      },
      "devices[0].parent");
  EXPECT_EQ(engine.change_node(NodeIndex{0}, host("n1")).error().what, "id");
  EXPECT_EQ(engine.node_count(), 1U);
}

TEST_F(EngineTest, RefusesRequestsThatCannotBe) {
  const auto refused = [this](auto change, std::string_view what) {
    Request r = request({.cpu = 1});
    change(r);
    const auto id = engine.compile(r);
    ASSERT_FALSE(id.has_value()) << what;
    EXPECT_EQ(id.error().what, what);
    EXPECT_EQ(id.error().code, Error::Code::Invalid);
  };
  refused([](Request& r) { r.needs.clear(); }, "needs");
  refused([](Request& r) { r.needs.push_back({"ec2", {}}); }, "needs[1].owner");
  refused([](Request& r) { r.needs[0].needs.cpu = -5; }, "needs[0].cpu");
  refused(
      [](Request& r) {
        r.needs[0].needs.ports = {{.number = 80}, {.number = 80}};
      },
      "needs[0].ports[1]");
  refused([](Request& r) { r.needs[0].needs.amounts = {{"", 1}}; }, "needs[0].amounts[0].name");
  refused([](Request& r) { r.needs[0].needs.devices = {{.type = "GPU"}}; }, "needs[0].devices[0]");
  refused(
      [](Request& r) {
        r.needs[0].needs.devices = {{.type = "GPU", .count = 1, .share_milli = 1}};
      },
      "needs[0].devices[0]");
  refused([](Request& r) { r.needs[0].needs.devices = {{.type = "GPU", .count = 300}}; },
          "needs[0].devices[0]");
  refused([](Request& r) { r.strategies.resize(6); }, "strategies");
  refused([](Request& r) { r.strategies = {{Strategy::Kind::SpreadAttribute}}; },
          "strategies[0].attribute");
  refused([](Request& r) { r.constraints.resize(11); }, "constraints");
  refused(
      [](Request& r) {
        r.constraints = {{Constraint::Kind::DistinctInstance, "x"}};
      },
      "constraints[0].expression");
  refused(
      [](Request& r) {
        r.constraints = {{Constraint::Kind::MemberOf, std::string(2001, 'x')}};
      },
      "constraints[0].expression");
  Request r = request({.cpu = 1});
  r.constraints = {{Constraint::Kind::DistinctInstance},
                   {Constraint::Kind::MemberOf, "attribute:a ="}};
  const auto id = engine.compile(r);
  ASSERT_FALSE(id.has_value());
  EXPECT_EQ(id.error().what, "constraints[1].expression");
  EXPECT_EQ(id.error().position, 12U);
}

TEST_F(EngineTest, ShowsWhatIsLeftOfANode) {
  NodeSpec spec = host("n0");
  spec.reserved_ports = {{Port::Protocol::Tcp, 22}};
  spec.capacities = {{"licence", 5}};
  spec.devices = {{.id = "g0", .type = "GPU", .memory_mib = 1000, .share_milli = 1000},
                  {.id = "g1", .type = "GPU"}};
  const NodeIndex node = add(spec);
  const RequestId id =
      compile(request({.cpu = 24,
                       .memory_mib = 48,
                       .eni_slots = 1,
                       .ports = {{Port::Protocol::Udp, 53}},
                       .amounts = {{"licence", 2}},
                       .devices = {{.type = "GPU", .share_milli = 300, .memory_mib = 100}}}));
  ASSERT_TRUE(engine.place(id, 0).has_value());
  const auto left = engine.remaining(node);
  EXPECT_EQ(left->cpu, 1000);
  EXPECT_EQ(left->memory_mib, 2000);
  EXPECT_EQ(left->eni_slots, 1);
  EXPECT_THAT(left->ports_taken,
              ElementsAre(Port{Port::Protocol::Tcp, 22}, Port{Port::Protocol::Udp, 53}));
  ASSERT_EQ(left->amounts.size(), 1U);
  EXPECT_EQ(left->amounts[0].value, 3);
  ASSERT_EQ(left->devices.size(), 2U);
  EXPECT_EQ(left->devices[0].share_milli, 700);
  EXPECT_EQ(left->devices[0].memory_mib, 900);
  EXPECT_FALSE(left->devices[0].whole);
  EXPECT_TRUE(left->devices[1].whole);
  EXPECT_EQ(left->tasks, 1U);
}

TEST(Strategy, ReadsEcsTypesAndFields) {
  EXPECT_EQ(*parse_strategy("binpack", "CPU"), Strategy{Strategy::Kind::BinpackCpu});
  EXPECT_EQ(*parse_strategy("Binpack", "memory"), Strategy{Strategy::Kind::BinpackMemory});
  EXPECT_EQ(*parse_strategy("spread", "instanceId"), Strategy{Strategy::Kind::SpreadInstance});
  EXPECT_EQ(*parse_strategy("spread", "host"), Strategy{Strategy::Kind::SpreadInstance});
  EXPECT_EQ(*parse_strategy("spread", "attribute:My.Zone"),
            (Strategy{Strategy::Kind::SpreadAttribute, "My.Zone"}));
  EXPECT_EQ(*parse_strategy("random", "anything"), Strategy{Strategy::Kind::Random});
  EXPECT_EQ(parse_strategy("binpack", "").error().what, "field");
  EXPECT_EQ(parse_strategy("spread", "attribute:").error().what, "field");
  EXPECT_EQ(parse_strategy("pack", "cpu").error().what, "type");
  const Strategy zones{Strategy::Kind::SpreadAttribute, std::string(kZoneAttribute)};
  EXPECT_EQ(strategy_type(zones), "spread");
  EXPECT_EQ(strategy_field(zones), "attribute:ecs.availability-zone");
  for (const char* field : {"cpu", "memory"})
    EXPECT_EQ(strategy_field(*parse_strategy("binpack", field)), field);
  EXPECT_EQ(strategy_field(*parse_strategy("spread", "host")), "instanceId");
  EXPECT_EQ(strategy_field(*parse_strategy("random", "")), "");
}

// The sanitizers see it where the index asks for the zone of a class that nobody told the
// attribute.
TEST_F(EngineTest, SpreadsOverAnAttributeThatIsNewerThanANodeThatIsGone) {
  NodeSpec racked = host("racked");
  racked.attributes.push_back({"rack", "r1"});
  NodeSpec gone = host("gone");
  gone.attributes.push_back({"rack", "r2"});
  add(racked);
  add(host("plain"));
  engine.remove_node(add(gone));
  const RequestId id = compile(request({.cpu = 1024}, {{Strategy::Kind::SpreadAttribute, "rack"}}));
  EXPECT_THAT(place(id, 2), ElementsAre(0, 1));
}

}  // namespace
}  // namespace berth::placement
