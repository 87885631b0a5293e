// SPDX-License-Identifier: Apache-2.0
#include "core/placement/node_classes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

NodeSpec spec_of(const std::string& owner, std::vector<Attribute> attributes) {
  return {.id = "n", .owner = owner, .attributes = std::move(attributes)};
}

TEST(NodeClasses, AreTheSameForSpecsThatDifferInWhatNoClassHolds) {
  NodeClasses classes;
  NodeSpec a = spec_of("ec2", {{"x", "1"}, {"y", "2"}});
  NodeSpec b = spec_of("ec2", {{"y", "2"}, {"x", "0"}, {"x", "1"}});  // of one name the last counts
  b.id = "other";
  b.cpu = 7;
  b.ec2_instance_id = "i-1";
  EXPECT_EQ(classes.join(a).number, classes.join(b).number);
  EXPECT_EQ(classes.nodes_of(0), 2u);
  EXPECT_EQ(classes.at(0).attribute("x")->value, "1");
  EXPECT_EQ(classes.at(0).attribute("z"), nullptr);
}

TEST(NodeClasses, DifferByEachThingThatAClassHolds) {
  NodeClasses classes;
  std::vector<NodeSpec> specs(8, spec_of("ec2", {{"x", "12"}}));
  specs[1].owner = "pool";
  specs[2].capacity_provider = "spot";
  specs[3].agent_version = "1.2";
  specs[4].attributes = {{"x1", "2"}};
  specs[5].attributes = {};
  specs[6].capacities = {{"licence", 5, 2}};
  specs[7].capacities = {{"licence", 5, 3}};
  for (std::uint32_t i = 0; i < specs.size(); ++i) {
    const auto joined = classes.join(specs[i]);
    EXPECT_EQ(joined.number, i);
    EXPECT_TRUE(joined.is_new);
  }
  EXPECT_EQ(classes.at(7).limit_of("licence"), 3);
  EXPECT_EQ(classes.at(7).limit_of("other"), 0);
  specs[0].capacities = {{"licence", 5, 0}};  // no limit
  EXPECT_EQ(classes.join(specs[0]).number, 0u);
}

TEST(NodeClasses, LogNumbersThatComeToMeanAnotherClass) {
  NodeClasses classes;
  std::map<std::uint32_t, std::string> model;  // number -> value, of classes that are there
  std::map<std::uint32_t, std::uint32_t> nodes;
  Draw draw(6);
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t seen = classes.log().count();
    if (draw.one_in(2) && !model.empty()) {
      auto at = model.begin();
      std::advance(at, draw.below(static_cast<std::int64_t>(model.size())));
      const bool last = --nodes[at->first] == 0;
      ASSERT_EQ(classes.leave(at->first), last);
      if (last) model.erase(at);
      continue;
    }
    const std::string value = std::to_string(draw.below(30));
    const auto joined = classes.join(spec_of("ec2", {{"v", value}}));
    const bool known = std::any_of(model.begin(), model.end(),
                                   [&](const auto& one) { return one.second == value; });
    ASSERT_EQ(joined.is_new, !known);
    if (known) {
      ASSERT_EQ(model.at(joined.number), value);
    }
    if (joined.is_new) {
      ASSERT_FALSE(model.contains(joined.number));
      const auto changes = classes.log().since(seen);
      ASSERT_TRUE(changes.all ||
                  std::count(changes.things.begin(), changes.things.end(), joined.number) == 1);
    }
    model[joined.number] = value;
    ASSERT_EQ(classes.nodes_of(joined.number), ++nodes[joined.number]);
    ASSERT_EQ(classes.at(joined.number).attribute("v")->value, value);
  }
  EXPECT_LE(classes.end(), 30u);
  EXPECT_GT(classes.bytes(), 0u);
}

}  // namespace
}  // namespace berth::placement::testing
