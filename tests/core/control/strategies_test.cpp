// SPDX-License-Identifier: Apache-2.0
// Strategies beyond ECS's: who may name them, and what holds where nobody does.
#include "core/control/strategies.hpp"

#include "core/control/demand.hpp"
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = placement::Strategy::Kind;

model::PlacementStrategy strategy(const std::string& type, const std::string& field = {}) {
  model::PlacementStrategy out;
  out.set_type(type);
  if (!field.empty()) out.set_field(field);
  return out;
}

Result<placement::Request> added(const StrategyRules& rules,
                                 const std::vector<model::PlacementStrategy>& asked) {
  placement::Request request;
  if (auto done = add_strategies(rules, asked, request); !done) {
    return tl::unexpected(done.error());
  }
  return request;
}

TEST(StrategyRules, AllowEcsOwnAlwaysAndOthersByNameOnly) {
  EXPECT_EQ(added({}, {strategy("binpack", "cpu")})->strategies.at(0).kind, Kind::BinpackCpu);
  const auto refused = added({.allowed = {"dotProduct"}}, {strategy("bestFit")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_EQ(refused.error().what, "placementStrategy.type");
  EXPECT_THAT(refused.error().message, HasSubstr("'bestFit'"));
  EXPECT_THAT(refused.error().message, HasSubstr("random, spread, binpack, dotProduct."));
  const auto allowed = added({.allowed = {"BESTFIT"}}, {strategy("bestFit", "cpu,levels:9")});
  ASSERT_TRUE(allowed) << allowed.error().message;
  EXPECT_EQ(allowed->strategies.at(0).kind, Kind::BestFit);
  EXPECT_EQ(allowed->strategies.at(0).levels, 9);
}

TEST(StrategyRules, TheDefaultNeedsNoPermissionAndYieldsToWhatIsAsked) {
  const StrategyRules rules{.defaults = {strategy("dotProduct"), strategy("spread", "host")}};
  const auto none = added(rules, {});
  ASSERT_EQ(none->strategies.size(), 2u);
  EXPECT_EQ(none->strategies[0].kind, Kind::DotProduct);
  EXPECT_EQ(added(rules, {strategy("random")})->strategies.at(0).kind, Kind::Random);
  EXPECT_EQ(strategies_in_force(rules, {}).at(0).type(), "dotProduct");
  EXPECT_EQ(strategies_in_force(rules, {.strategies = {strategy("random")}}).at(0).type(),
            "random");
  EXPECT_EQ(strategies_in_force({}, {}).at(0).type(), "random");
}

TEST(StrategyRules, FragmentationNeedsTheExpectedTasks) {
  StrategyRules rules{.allowed = {"fragmentation"}};
  EXPECT_THAT(added(rules, {strategy("fragmentation")}).error().message, HasSubstr("expected"));
  rules.expected_tasks = {{.cpu = 100, .devices = 1, .share_milli = 500}};
  EXPECT_TRUE(added(rules, {strategy("fragmentation")}));
}

TEST(StrategyRules, TermsOfAffinityAddUpWithTheirWeights) {
  const StrategyRules rules{.allowed = {"affinity"}};
  const auto request =
      added(rules, {strategy("affinity", "attribute:disk == ssd"), strategy("binpack", "memory"),
                    strategy("affinity", "-5:attribute:rack == r1")});
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->strategies.size(), 2u);
  EXPECT_EQ(request->strategies[0].kind, Kind::Affinity);
  ASSERT_EQ(request->affinity.size(), 2u);
  EXPECT_EQ(request->affinity[0].weight, 1);
  EXPECT_EQ(request->affinity[0].expression, "attribute:disk == ssd");
  EXPECT_EQ(request->affinity[1].weight, -5);
  EXPECT_EQ(request->affinity[1].expression, "attribute:rack == r1");
  for (const char* bad : {"", "0:attribute:a == b", "1001:attribute:a == b", "-:x", "3:"}) {
    const auto refused = added(rules, {strategy("affinity", bad)});
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().what, "placementStrategy.field") << bad;
  }
}

class StrategiesTest : public Bench {
 protected:
  void rule(StrategyRules rules) {
    config.strategies = std::move(rules);
    begin();
  }
  static v1::Node with(const char* id, const char* name, const char* value) {
    v1::Node made = node(id, 4096);
    made.add_attributes()->set_name(name);
    made.mutable_attributes(made.attributes_size() - 1)->set_value(value);
    return made;
  }
};

TEST_F(StrategiesTest, AffinityDrawsTasksToTheNodesThatAreLiked) {
  rule({.allowed = {"affinity"}});
  ready({with(kNode, "disk", "hdd"), with(kNode2, "disk", "ssd")});
  RunTask command = run_task(3);
  *command.request.add_placement_strategy() = strategy("affinity", "attribute:disk == ssd");
  const auto ran = ask(command)->as<RunTaskAnswer>();
  ASSERT_EQ(ran.tasks.size(), 3u);
  for (const TaskPtr& task : ran.tasks) EXPECT_EQ(task->node.str(), kNode2);
}

TEST_F(StrategiesTest, TheOperatorsDefaultDecidesWhereARequestNamesNone) {
  rule({.defaults = {strategy("binpack", "memory")}});
  ready({node(kNode, 4096), node(kNode2, 4096)});
  const auto ran = ask(run_task(4))->as<RunTaskAnswer>();
  ASSERT_EQ(ran.tasks.size(), 4u);
  for (const TaskPtr& task : ran.tasks) EXPECT_EQ(task->node, ran.tasks[0]->node);
}

}  // namespace
}  // namespace berth::control
