// SPDX-License-Identifier: Apache-2.0
#include "core/placement/view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/placement/engine.hpp"
#include "core/placement/shared_array.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

using ::testing::ElementsAre;

NodeSpec host(const std::string& id, std::int64_t cpu = 1000) {
  return {.id = id,
          .owner = "ec2",
          .cpu = cpu,
          .memory_mib = 100,
          .attributes = {{std::string(kZoneAttribute), "a"}}};
}

std::vector<std::string> ids(const View& view) {
  std::vector<std::string> out;
  view.for_each([&](const ViewNode& node) { out.push_back(node.id); });
  return out;
}

TEST(View, ShowsNodesInNodeOrderAndFindsThemById) {
  Engine engine;
  const NodeIndex first = engine.add_node(host("first")).value();
  ASSERT_TRUE(engine.add_node(host("second")).has_value());
  engine.remove_node(first);
  ASSERT_TRUE(engine.add_node(host("third")).has_value());
  const auto view = engine.view();
  EXPECT_THAT(ids(*view), ElementsAre("third", "second"));
  EXPECT_EQ(view->find("third"), view->node(NodeIndex{0}));
  EXPECT_EQ(view->find("second"), view->node(NodeIndex{1}));
  EXPECT_EQ(view->find("first"), nullptr);
  EXPECT_EQ(view->node(NodeIndex{99'999}), nullptr);
}

TEST(View, ShowsWhatANodeHasAndWhatIsLeftOfIt) {
  Engine engine;
  NodeSpec spec = host("n");
  spec.eni_slots = 3;
  spec.capacities = {{"licence", 5, 2}};
  spec.devices = {{.id = "gpu-0", .type = "GPU"}};
  spec.ec2_instance_id = "i-1";
  spec.registered_at_ms = 77;
  const NodeIndex n = engine.add_node(spec).value();
  ASSERT_TRUE(engine
                  .adopt({.node = n,
                          .needs = {.cpu = 10, .amounts = {{"licence", 2}}},
                          .group = "family:b",
                          .devices = {{.need = 0, .device_id = "gpu-0"}}})
                  .has_value());
  ASSERT_TRUE(engine.adopt({.node = n, .needs = {}, .group = "family:a"}).has_value());
  const auto retired = engine.adopt({.node = n, .needs = {}, .group = "family:a"});
  engine.retire(*retired);
  engine.set_status(n, {.state = NodeSpec::State::Draining, .connected = false});
  const auto view = engine.view();
  const ViewNode& node = *view->find("n");
  EXPECT_EQ(node.what->owner, "ec2");
  EXPECT_EQ(node.what->attribute(kZoneAttribute)->value, "a");
  EXPECT_EQ(node.state, NodeSpec::State::Draining);
  EXPECT_FALSE(node.connected);
  EXPECT_EQ(node.ec2_instance_id, "i-1");
  EXPECT_EQ(node.registered_at_ms, 77);
  EXPECT_EQ(node.cpu, 1000);
  EXPECT_EQ(node.left.cpu, 990);
  EXPECT_EQ(node.eni_slots, 3);
  EXPECT_EQ(node.capacities.at(0).total, 5);
  EXPECT_EQ(node.left.amounts.at(0).value, 3);
  EXPECT_FALSE(node.left.devices.at(0).whole);
  EXPECT_EQ(node.left.tasks, 3u);
  EXPECT_EQ(node.counted_tasks, 2u);
  ASSERT_EQ(node.groups.size(), 2u);
  EXPECT_EQ(*node.groups[0].group, "family:a");
  EXPECT_EQ(node.group_count("family:a"), 1u);
  EXPECT_EQ(node.group_count("family:b"), 1u);
  EXPECT_EQ(node.group_count("family:c"), 0u);
}

TEST(View, SumsUpAllNodes) {
  Engine engine;
  ASSERT_TRUE(engine.add_node(host("a", 100)).has_value());
  const NodeIndex b = engine.add_node(host("b", 50)).value();
  ASSERT_EQ(engine.view()->totals().cpu, 150);
  engine.set_status(b, {.state = NodeSpec::State::Draining});
  ASSERT_TRUE(
      engine.adopt({.node = b, .needs = {.cpu = 7, .memory_mib = 9}, .group = "g"}).has_value());
  const ViewTotals wanted{.nodes = 2,
                          .taking_tasks = 1,
                          .cpu = 150,
                          .memory_mib = 200,
                          .cpu_left = 143,
                          .memory_mib_left = 191,
                          .tasks = 1};
  EXPECT_EQ(engine.view()->totals(), wanted);
}

TEST(View, StaysAsItIsWhileTheEngineGoesOn) {
  std::shared_ptr<const View> view;
  {
    Engine engine;
    const NodeIndex n = engine.add_node(host("n")).value();
    view = engine.view();
    ASSERT_TRUE(engine.adopt({.node = n, .needs = {.cpu = 10}, .group = "g"}).has_value());
    EXPECT_EQ(engine.view()->find("n")->left.cpu, 990);
    engine.remove_node(n);
    EXPECT_EQ(engine.view()->size(), 0u);
    EXPECT_EQ(engine.view()->find("n"), nullptr);
  }
  EXPECT_EQ(view->find("n")->left.cpu, 1000);
  EXPECT_EQ(view->size(), 1u);
}

TEST(View, IsTheSameAgainWhereNothingChanged) {
  Engine engine;
  EXPECT_EQ(engine.view(), engine.view());
  ASSERT_TRUE(engine.add_node(host("n")).has_value());
  const auto view = engine.view();
  EXPECT_EQ(engine.view(), view);
  EXPECT_FALSE(engine.remove_node(NodeIndex{7}));
  EXPECT_EQ(engine.view(), view);
}

TEST(View, SharesNodesThatDidNotChange) {
  Engine engine;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(engine.add_node(host("n" + std::to_string(i))).has_value());
  }
  const auto before = engine.view();
  ASSERT_TRUE(
      engine.adopt({.node = NodeIndex{4500}, .needs = {.cpu = 1}, .group = "g"}).has_value());
  const auto after = engine.view();
  std::size_t other = 0;
  after->for_each([&](const ViewNode& node) { other += &node != before->node(node.index); });
  EXPECT_EQ(other, 1u);
  EXPECT_EQ(before->node(NodeIndex{1})->what, after->node(NodeIndex{4999})->what);
}

TEST(View, TellsClassesAndGroupsApartWhoseNumbersAreUsedAgain) {
  Engine engine;
  const NodeIndex n = engine.add_node(host("n")).value();
  const auto task = engine.adopt({.node = n, .needs = {}, .group = "before"});
  ASSERT_EQ(engine.view()->find("n")->group_count("before"), 1u);
  engine.release(*task);
  ASSERT_TRUE(engine.adopt({.node = n, .needs = {}, .group = "after"}).has_value());
  NodeSpec changed = host("n");
  changed.owner = "pool";
  ASSERT_TRUE(engine.change_node(n, changed).has_value());
  const auto view = engine.view();
  EXPECT_EQ(view->find("n")->what->owner, "pool");
  EXPECT_EQ(view->find("n")->group_count("after"), 1u);
  EXPECT_EQ(view->find("n")->group_count("before"), 0u);
}

// For the thread sanitizer above all: what a reader sees adds up, whatever the engine does.
TEST(View, IsReadByOtherThreadsWhileTheEngineGoesOn) {
  Engine engine;
  Draw draw(3);
  std::mutex mutex;
  std::shared_ptr<const View> shared = engine.view();
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  const auto read = [&] {
    while (!done) {
      std::unique_lock lock(mutex);
      const std::shared_ptr<const View> view = shared;
      lock.unlock();
      ViewTotals sums;
      view->for_each([&](const ViewNode& node) {
        ++sums.nodes;
        sums.cpu_left += node.left.cpu;
        if (view->find(node.id) != &node || node.what->owner.empty()) ++wrong;
      });
      if (sums.nodes != view->size() || sums.cpu_left != view->totals().cpu_left) ++wrong;
    }
  };
  std::thread reader(read);
  std::thread another(read);
  for (int i = 0; i < 400; ++i) {
    const std::string id = "n" + std::to_string(draw.below(300));
    if (const auto node = engine.find_node(id)) {
      if (draw.one_in(3)) {
        engine.remove_node(*node);
      } else {
        static_cast<void>(engine.adopt({.node = *node, .needs = {.cpu = 1}, .group = id}));
      }
    } else {
      EXPECT_TRUE(engine.add_node(draw_node(draw, id)).has_value());
    }
    auto next = engine.view();
    const std::lock_guard lock(mutex);
    shared = std::move(next);
  }
  done = true;
  reader.join();
  another.join();
  EXPECT_EQ(wrong, 0);
}

TEST(SharedArray, HoldsWhatWasPutIntoItAndLeavesCopiesAlone) {
  SharedArray<int> array;
  std::vector<std::shared_ptr<const int>> model(9000);
  Draw draw(5);
  for (int round = 0; round < 50; ++round) {
    const SharedArray<int> copy = array;
    const auto before = model;
    std::vector<SharedArray<int>::Change> changes;
    for (auto at = static_cast<std::uint32_t>(draw.below(3000)); at < model.size();
         at += 1 + static_cast<std::uint32_t>(draw.below(2000))) {
      auto item = draw.one_in(4) ? nullptr : std::make_shared<const int>(round);
      model[at] = item;
      changes.push_back({at, std::move(item)});
    }
    array.apply(std::move(changes));
    for (std::uint32_t at = 0; at < model.size(); ++at) {
      ASSERT_EQ(array.at(at), model[at].get());
      ASSERT_EQ(copy.at(at), before[at].get());
    }
  }
  EXPECT_EQ(array.at(1'000'000), nullptr);
}

}  // namespace
}  // namespace berth::placement::testing
