// SPDX-License-Identifier: Apache-2.0
#include "core/placement/count_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

// Every level says the least of sixteen entries of the level below.
void expect_equal(const CountTree& tree, std::vector<std::int32_t> model) {
  for (std::size_t node = 0; node < model.size(); ++node)
    ASSERT_EQ(tree.of(static_cast<std::uint32_t>(node)), model[node]);
  for (std::size_t l = 0; model.size() > 1; ++l) {
    model.resize((model.size() + 15) / 16 * 16);
    for (std::size_t i = 0; i < model.size(); ++i) ASSERT_EQ(tree.level(l)[i], model[i]);
    std::vector<std::int32_t> above;
    for (auto at = model.begin(); at != model.end(); at += 16)
      above.push_back(*std::min_element(at, at + 16));
    model = above;
  }
}

TEST(CountTree, CountsAsAColumnDoesWhileItGrows) {
  CountTree tree;
  std::vector<std::int32_t> model;
  Draw draw(1);
  for (const std::size_t nodes : {1u, 16u, 64u, 300u, 320u, 4200u}) {
    tree.resize(nodes);
    model.resize(nodes);
    for (int i = 0; i < 2000; ++i) {
      const auto node = static_cast<std::uint32_t>(draw.below(static_cast<std::int64_t>(nodes)));
      const std::int32_t more = model[node] > 0 && draw.one_in(3) ? -1 : 1;
      model[node] += more;
      tree.add(node, more);
    }
    expect_equal(tree, model);
  }
  EXPECT_GE(tree.bytes(), 4200u * sizeof(std::int32_t));
}

TEST(CountTree, IsUpToDateOnceFinished) {
  CountTree tree;
  tree.resize(700);
  std::vector<std::int32_t> model(700, 2);
  for (std::uint32_t node = 0; node < 700; ++node) tree.add_only(node, 2);
  tree.finish();
  expect_equal(tree, model);
}

}  // namespace
}  // namespace berth::placement::testing
