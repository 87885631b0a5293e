// SPDX-License-Identifier: Apache-2.0
// What the engine says of its nodes and of itself; decisions are in engine_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/placement/engine.hpp"

namespace berth::placement {
namespace {

using ::testing::ElementsAre;

NodeSpec full_spec() {
  return {.id = "n",
          .owner = "ec2",
          .capacity_provider = "spot",
          .state = NodeSpec::State::Draining,
          .connected = false,
          .cpu = 1024,
          .memory_mib = 2048,
          .eni_slots = 3,
          .reserved_ports = {{Port::Protocol::Udp, 53}},
          .capacities = {{"licence", 5, 2}},
          .devices = {{.id = "gpu-0", .type = "GPU", .memory_mib = 100}},
          .attributes = {{"rack", "r1"}, {"ssd", ""}},
          .ec2_instance_id = "i-1",
          .agent_version = "1.2.3",
          .registered_at_ms = 77};
}

TEST(EngineBooks, GiveANodeBackAsItWasGiven) {
  Engine engine;
  const NodeIndex n = engine.add_node(full_spec()).value();
  const NodeSpec got = engine.node(n);
  const NodeSpec wanted = full_spec();
  EXPECT_EQ(got.id, wanted.id);
  EXPECT_EQ(got.owner, wanted.owner);
  EXPECT_EQ(got.capacity_provider, wanted.capacity_provider);
  EXPECT_EQ(got.state, wanted.state);
  EXPECT_EQ(got.connected, wanted.connected);
  EXPECT_EQ(got.cpu, wanted.cpu);
  EXPECT_EQ(got.memory_mib, wanted.memory_mib);
  EXPECT_EQ(got.eni_slots, wanted.eni_slots);
  EXPECT_EQ(got.reserved_ports, wanted.reserved_ports);
  ASSERT_EQ(got.capacities.size(), 1u);
  EXPECT_EQ(got.capacities[0].per_task_limit, 2);
  ASSERT_EQ(got.devices.size(), 1u);
  EXPECT_EQ(got.devices[0].id, "gpu-0");
  EXPECT_EQ(got.attributes, wanted.attributes);
  EXPECT_EQ(got.ec2_instance_id, wanted.ec2_instance_id);
  EXPECT_EQ(got.agent_version, wanted.agent_version);
  EXPECT_EQ(got.registered_at_ms, wanted.registered_at_ms);
  EXPECT_EQ(engine.node_id(n), "n");
}

TEST(EngineBooks, SayNothingOfANodeThatIsGone) {
  Engine engine;
  const NodeIndex n = engine.add_node(full_spec()).value();
  ASSERT_TRUE(engine.add_node({.id = "stays", .owner = "ec2", .cpu = 1}).has_value());
  EXPECT_THAT(engine.nodes(), ElementsAre(NodeIndex{0}, NodeIndex{1}));
  ASSERT_TRUE(engine.remove_node(n));
  EXPECT_EQ(engine.node(n).id, "");
  EXPECT_EQ(engine.node_id(n), "");
  EXPECT_FALSE(engine.remaining(n).has_value());
  EXPECT_FALSE(engine.find_node("n").has_value());
  EXPECT_THAT(engine.nodes(), ElementsAre(NodeIndex{1}));
  EXPECT_EQ(engine.node(NodeIndex{1}).cpu, 1);
}

TEST(EngineBooks, TellTheMemoryOfNodesTasksGroupsAndCachesApart) {
  Engine engine({.cache_bytes = 100'000});
  const MemoryUse empty = engine.memory();
  EXPECT_EQ(empty.caches, 0u);
  for (int i = 0; i < 3'000; ++i) {
    NodeSpec spec = full_spec();
    spec.id = "n" + std::to_string(i);
    spec.state = NodeSpec::State::Active;
    spec.connected = true;
    spec.reserved_ports = {};  // ports count with tasks, whoever holds them
    ASSERT_TRUE(engine.add_node(spec).has_value());
  }
  const MemoryUse nodes = engine.memory();
  EXPECT_GT(nodes.nodes, empty.nodes + 3'000 * 64);
  EXPECT_EQ(nodes.tasks, empty.tasks);
  const auto request = engine.compile({.group = "family:web",
                                       .needs = {{"ec2", {.cpu = 1, .ports = {{.number = 80}}}}},
                                       .strategies = {{Strategy::Kind::SpreadAttribute, "rack"},
                                                      {Strategy::Kind::SpreadInstance},
                                                      {Strategy::Kind::BinpackCpu}}});
  const MemoryUse compiled = engine.memory();
  EXPECT_GT(compiled.groups, nodes.groups);
  ASSERT_EQ(engine.place_many(*request, 2'000, 1).size(), 2'000u);
  const MemoryUse full = engine.memory();
  EXPECT_GT(full.tasks, compiled.tasks + 2'000 * 16);
  EXPECT_GT(full.nodes, compiled.nodes);  // indexes
  EXPECT_GT(full.caches, 0u);
  EXPECT_LE(full.caches, 100'000u);
}

}  // namespace
}  // namespace berth::placement
