// SPDX-License-Identifier: Apache-2.0
#include "core/placement/task_lists.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

using Model = std::vector<std::map<std::uint32_t, std::uint32_t>>;  // by node: serial -> kind

void expect_equal(TaskLists& lists, const Model& model) {
  for (std::uint32_t node = 0; node < model.size(); ++node) {
    ASSERT_EQ(lists.of(node).size(), model[node].size());
    for (const TaskRecord& task : lists.of(node)) ASSERT_EQ(model[node].at(task.serial), task.kind);
    for (const auto& [serial, kind] : model[node]) {
      const TaskRecord* found = lists.find(node, serial);
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(found->kind, kind);
    }
  }
}

TEST(TaskLists, AreSetsThatGrowAndShrinkApart) {
  constexpr std::uint32_t kNodes = 40;
  TaskLists lists(nullptr);
  lists.resize(kNodes);
  Model model(kNodes);
  Draw draw(3);
  std::uint32_t serial = 0;
  for (int step = 0; step < 60'000; ++step) {
    // A few nodes run many tasks; all go up and down by turns.
    const auto node =
        static_cast<std::uint32_t>(draw.one_in(2) ? draw.below(3) : draw.below(kNodes));
    const bool adds = draw.below(10) < (step / 5'000 % 2 == 0 ? 8 : 3);
    if (adds) {
      const auto kind = static_cast<std::uint32_t>(draw.below(1'000));
      lists.add(node, {.serial = ++serial, .kind = kind & 0x7FFFFFFFu});
      model[node][serial] = kind;
    } else if (!model[node].empty()) {
      auto gone = model[node].lower_bound(static_cast<std::uint32_t>(draw.below(serial + 1)));
      if (gone == model[node].end()) gone = model[node].begin();
      lists.remove(node, lists.find(node, gone->first));
      ASSERT_EQ(lists.find(node, gone->first), nullptr);
      model[node].erase(gone);
    }
    if (draw.one_in(5'000)) {
      lists.clear(node);
      model[node].clear();
    }
    if (step % 997 == 0) expect_equal(lists, model);
    if (::testing::Test::HasFatalFailure()) return;
  }
  expect_equal(lists, model);
}

TEST(TaskLists, GiveTheirLinesToOtherLists) {
  TaskLists lists(nullptr);
  lists.resize(200);
  std::size_t bytes = 0;
  for (std::uint32_t round = 0; round < 50; ++round) {
    for (std::uint32_t node = 0; node < 200; ++node) {
      for (std::uint32_t task = 0; task < 100; ++task) lists.add(node, {.serial = task});
    }
    if (round == 0) bytes = lists.task_bytes();
    for (std::uint32_t node = 0; node < 200; ++node) lists.clear(node);
  }
  EXPECT_LE(lists.task_bytes(), bytes * 2);
  EXPECT_GE(bytes, 200u * 100 * sizeof(TaskRecord));
}

}  // namespace
}  // namespace berth::placement::testing
