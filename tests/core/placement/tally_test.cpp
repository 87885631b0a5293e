// SPDX-License-Identifier: Apache-2.0
#include "core/placement/tally.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

constexpr std::array kAttributes = {"rack", "zone", "row"};
constexpr std::size_t kNodes = 40;

// A tally with the nodes and tasks that it speaks of, kept plainly.
class World {
 public:
  explicit World(std::uint64_t seed) : draw_(seed) {}

  void step() {
    switch (draw_.below(8)) {
      case 0:
        return change_node();
      case 1:
        return track();
      case 2:
        return keep_counts();
      case 3:
      case 4:
        return end_task();
      default:
        return add_task();
    }
  }

  void expect_equal() const {
    for (const auto& [name, set] : sets()) {
      ASSERT_EQ(tally_.find(name.first, name.second), set);
      ASSERT_EQ(tally_.name(set), name.second);
      ASSERT_EQ(tally_.tasks(set), count(name, [](const Task&) { return true; }));
      for (const auto& [attribute, slot] : slots_) expect_values(name, set, attribute, slot);
      if (tally_.counts(set) == nullptr) continue;
      for (std::uint32_t node = 0; node < kNodes; ++node) {
        ASSERT_EQ(tally_.counts(set)->of(node),
                  static_cast<std::int32_t>(
                      count(name, [&](const Task& task) { return task.node == node; })));
      }
    }
  }

 private:
  using Name = std::pair<Tally::Kind, std::string>;
  struct Task {
    Name name;
    Tally::Set set;
    std::uint32_t node;
  };
  struct Node {
    NodeSpec spec;
    std::uint32_t number;
  };

  template <typename Is>
  [[nodiscard]] std::uint32_t count(const Name& name, const Is& is) const {
    return static_cast<std::uint32_t>(
        std::count_if(tasks_.begin(), tasks_.end(),
                      [&](const Task& task) { return task.name == name && is(task); }));
  }
  [[nodiscard]] std::map<Name, Tally::Set> sets() const {
    std::map<Name, Tally::Set> out;
    for (const Task& task : tasks_) out[task.name] = task.set;
    return out;
  }
  static std::optional<std::string> value(const Node& node, const std::string& attribute) {
    for (const Attribute& one : node.spec.attributes) {
      if (one.name == attribute) return one.value;
    }
    return std::nullopt;
  }
  void expect_values(const Name& name, Tally::Set set, const std::string& attribute,
                     Tally::Slot slot) const {
    ASSERT_EQ(tally_.values(slot).attribute(), attribute);
    for (const auto& [at, node] : nodes_) {
      const auto same = [&, &asked = node](const Task& task) {
        return value(nodes_.at(task.node), attribute) == value(asked, attribute);
      };
      ASSERT_EQ(tally_.of_value(set, slot, tally_.values(slot).of_class(node.number)),
                static_cast<std::int32_t>(count(name, same)));
    }
  }

  // As the books do it: what runs is counted out before the class goes.
  void change_node() {
    const auto at = static_cast<std::uint32_t>(draw_.below(kNodes));
    NodeSpec spec{.id = "n", .owner = "ec2"};
    for (const char* attribute : kAttributes) {
      if (!draw_.one_in(4)) spec.attributes.push_back({attribute, std::to_string(draw_.below(9))});
    }
    if (const auto known = nodes_.find(at); known != nodes_.end()) {
      for (const Task& task : tasks_) {
        if (task.node == at) tally_.remove(task.set, at, known->second.number);
      }
      if (classes_.nodes_of(known->second.number) == 1) tally_.class_goes(known->second.number);
      classes_.leave(known->second.number);
    }
    const auto joined = classes_.join(spec);
    if (joined.is_new) tally_.class_came(joined.number, classes_.at(joined.number));
    nodes_[at] = {spec, joined.number};
    for (const Task& task : tasks_) {
      if (task.node == at) tally_.add(task.set, at, joined.number);
    }
  }
  void track() {
    const std::string attribute = kAttributes[static_cast<std::size_t>(draw_.below(3))];
    if (const auto known = slots_.find(attribute); known != slots_.end() && draw_.one_in(2)) {
      tally_.untrack(known->second);
      if (tally_.values_at(known->second) == nullptr) slots_.erase(known);
      return;
    }
    const auto tracked = tally_.track(attribute, classes_);
    ASSERT_EQ(tracked.is_new, !slots_.contains(attribute));
    slots_[attribute] = tracked.slot;
    if (!tracked.is_new) return;
    for (const Task& task : tasks_)
      tally_.add_value(task.set, tracked.slot, nodes_.at(task.node).number);
  }
  void keep_counts() {
    if (tasks_.empty()) return;
    const Task& any =
        tasks_[static_cast<std::size_t>(draw_.below(static_cast<std::int64_t>(tasks_.size())))];
    if (tally_.counts(any.set) != nullptr) return tally_.drop_counts(any.set);
    CountTree counts;
    counts.resize(kNodes);
    for (const Task& task : tasks_) {
      if (task.name == any.name) counts.add(task.node, 1);
    }
    tally_.keep_counts(any.set, std::move(counts));
    ASSERT_GT(tally_.counts_bytes(), 0u);
    tally_.grow(kNodes);
  }
  void add_task() {
    const auto node = static_cast<std::uint32_t>(draw_.below(kNodes));
    if (!nodes_.contains(node)) return;
    const auto kind = draw_.one_in(2) ? Tally::Kind::Group : Tally::Kind::Service;
    const std::string name = "s" + std::to_string(draw_.below(5));
    const Tally::Set set = tally_.acquire(kind, name);
    tally_.add(set, node, nodes_.at(node).number);
    tasks_.push_back({{kind, name}, set, node});
  }
  void end_task() {
    if (tasks_.empty()) return;
    const auto at = draw_.below(static_cast<std::int64_t>(tasks_.size()));
    const Task task = tasks_[static_cast<std::size_t>(at)];
    tasks_.erase(tasks_.begin() + at);
    tally_.remove(task.set, task.node, nodes_.at(task.node).number);
    tally_.release(task.set);
    if (!sets().contains(task.name)) {
      ASSERT_FALSE(tally_.find(task.name.first, task.name.second).has_value());
    }
  }

  Draw draw_;
  Tally tally_;
  NodeClasses classes_;
  std::map<std::uint32_t, Node> nodes_;
  std::map<std::string, Tally::Slot> slots_;
  std::vector<Task> tasks_;
};

TEST(Tally, CountsAsCountingAllTasksAnewDoes) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    World world(seed);
    for (int step = 0; step < 600; ++step) {
      world.step();
      if (step % 20 == 0) world.expect_equal();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Tally, KnowsGroupsAndServicesOfOneNameApart) {
  Tally tally;
  const auto group = tally.acquire(Tally::Kind::Group, "web");
  const auto service = tally.acquire(Tally::Kind::Service, "web");
  EXPECT_NE(group, service);
  EXPECT_EQ(tally.acquire(Tally::Kind::Group, "web"), group);
  tally.release(group);
  EXPECT_EQ(tally.find(Tally::Kind::Group, "web"), group);
  tally.release(group);
  EXPECT_EQ(tally.find(Tally::Kind::Group, "web"), std::nullopt);
  EXPECT_EQ(tally.find(Tally::Kind::Service, "web"), service);
  EXPECT_EQ(tally.values_at(9), nullptr);
  EXPECT_GT(tally.bytes(), 0u);
}

}  // namespace
}  // namespace berth::placement::testing
