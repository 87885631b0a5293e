// SPDX-License-Identifier: Apache-2.0
// Decisions about few nodes: a scan in one pass gives the answers of the indexes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/placement/engine.hpp"

namespace berth::placement {
namespace {

using Kind = Strategy::Kind;

constexpr std::uint32_t kNodes = 100;

Engine engine_of(std::uint32_t scan_up_to_nodes, std::uint32_t colors) {
  Engine out({.scan_up_to_nodes = scan_up_to_nodes});
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    const auto added =
        out.add_node({.id = "n" + std::to_string(node),
                      .owner = "ec2",
                      .cpu = 300 + node * 7 % 10 * 100,
                      .memory_mib = 300 + node * 3 % 10 * 100,
                      .attributes = {{std::string(kZoneAttribute), std::to_string(node % 3)},
                                     {"color", std::to_string(node % colors)}}});
    EXPECT_TRUE(added.has_value());
  }
  return out;
}

Request request_of(std::vector<Strategy> strategies, std::string expression = {}) {
  Request out{.group = "family:web",
              .needs = {{"ec2", {.cpu = 100, .memory_mib = 110}}},
              .strategies = std::move(strategies)};
  if (!expression.empty()) out.constraints = {{Constraint::Kind::MemberOf, std::move(expression)}};
  return out;
}

// Until nothing fits any more.
std::vector<std::uint32_t> fill(Engine& engine, const Request& request) {
  const RequestId id = engine.compile(request).value();
  std::vector<std::uint32_t> out;
  for (const Placement& placed : engine.place_many(id, 10'000, 3))
    out.push_back(static_cast<std::uint32_t>(placed.node));
  return out;
}

struct Counted {
  std::uint64_t decisions = 0;
  std::uint64_t one_pass = 0;
};

// Compares both ways to decide; what the scanning engine counted.
Counted compare(const Request& request, std::uint32_t colors = 2) {
  Engine scanning = engine_of(kNodes, colors);
  Engine indexed = engine_of(kNodes - 1, colors);
  const auto nodes = fill(scanning, request);
  EXPECT_GT(nodes.size(), kNodes / 2);
  EXPECT_EQ(nodes, fill(indexed, request));
  EXPECT_EQ(indexed.decision_counts().one_pass, 0U);
  return {scanning.decision_counts().decisions, scanning.decision_counts().one_pass};
}

const Strategy kSpreadZone{Kind::SpreadAttribute, std::string(kZoneAttribute)};

TEST(OnePass, DecidesStrategiesWithOneKeyLast) {
  const std::vector<std::vector<Strategy>> all = {
      {{Kind::BinpackCpu}}, {{Kind::BinpackMemory}},       {kSpreadZone},
      {{Kind::Random}},     {kSpreadZone, {Kind::Random}}, {kSpreadZone, {Kind::BinpackMemory}}};
  for (const auto& strategies : all) {
    for (const std::string expression : {"", "attribute:color == 1"}) {
      const Counted counted = compare(request_of(strategies, expression));
      if (strategies.front().kind == Kind::Random) {
        EXPECT_GT(counted.one_pass, 0U);  // the probes decide the others
      } else {
        EXPECT_EQ(counted.one_pass, counted.decisions);
      }
    }
  }
}

TEST(OnePass, DecidesASpreadOverInstancesWhileFewRunTheSet) {
  for (const bool zones_first : {false, true}) {
    std::vector<Strategy> strategies = {{Kind::SpreadInstance}};
    if (zones_first) strategies.insert(strategies.begin(), kSpreadZone);
    const Counted counted = compare(request_of(strategies));
    EXPECT_GT(counted.one_pass, 20U);
    EXPECT_LT(counted.one_pass, 30U);
  }
}

TEST(OnePass, LeavesToOthersWhatTakesMoreThanOnePass) {
  EXPECT_EQ(compare(request_of({{Kind::BinpackCpu}, {Kind::Random}})).one_pass, 0U);
  EXPECT_EQ(compare(request_of({{Kind::SpreadInstance}, {Kind::BinpackCpu}})).one_pass, 0U);
  EXPECT_EQ(compare(request_of({kSpreadZone}), 12).one_pass, 0U);
  Request distinct = request_of({{Kind::BinpackCpu}});
  distinct.constraints = {{Constraint::Kind::DistinctInstance}};
  EXPECT_EQ(compare(distinct).one_pass, 0U);
}

TEST(OnePass, DecidesAmongManyClassesWhereAllOfThemPass) {
  const Counted counted = compare(request_of({{Kind::BinpackCpu}}), 12);
  EXPECT_EQ(counted.one_pass, counted.decisions);
}

TEST(OnePass, PassesByNodesThatDrain) {
  Engine engine = engine_of(kNodes, 2);
  for (std::uint32_t node = 0; node < kNodes - 1; ++node)
    engine.set_status(NodeIndex{node}, {.state = NodeSpec::State::Draining});
  for (const Kind kind : {Kind::BinpackCpu, Kind::SpreadInstance, Kind::Random}) {
    const RequestId id = engine.compile(request_of({{kind}})).value();
    const auto placed = engine.place(id, 1);
    ASSERT_TRUE(placed.has_value());
    EXPECT_EQ(placed->node, NodeIndex{kNodes - 1});
    engine.release(placed->reservation);
  }
  EXPECT_EQ(engine.decision_counts().one_pass, 2U);  // Random came upon it in a row
}

}  // namespace
}  // namespace berth::placement
