// SPDX-License-Identifier: Apache-2.0
#include "core/placement/order_tree.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

using Entry = std::tuple<std::int32_t, std::uint32_t, std::int32_t>;  // key, node, other
using Model = std::set<Entry>;

std::uint8_t label_of(std::uint32_t node) {
  return static_cast<std::uint8_t>(node % 251);
}

void expect_equal(const OrderTree& tree, const Model& model, OrderSearch::Question question) {
  OrderSearch search(tree, question);
  for (const auto& [key, node, other] : model) {
    if (key < question.least_key || other < question.least_other) continue;
    ASSERT_TRUE(search.next());
    ASSERT_EQ(search.key(), key);
    ASSERT_EQ(search.node(), node);
    ASSERT_EQ(search.label(), label_of(node));
  }
  ASSERT_FALSE(search.next());
}

// Several trees in one pool, as a parted index has them.
class Forest {
 public:
  explicit Forest(std::uint32_t nodes) : entries_(nodes) { pool_.resize(nodes); }

  void put(std::uint32_t node, std::size_t tree, std::int32_t key, std::int32_t other) {
    take(node);
    // A hint of any age will do.
    const OrderEntry entry{key, other, node, label_of(node)};
    trees_[tree].insert(entry, hints_[tree]);
    hints_[tree] = trees_[tree].prefetch_place({key + 1, other, node, label_of(node)});
    ASSERT_EQ(&pool_.tree_of(node), &trees_[tree]);
    entries_[node] = {key, node, other};
    models_[tree].insert(entries_[node]);
    tree_of_[node] = tree;
  }
  void take(std::uint32_t node) {
    pool_.prefetch_where(node);
    pool_.prefetch_block(node);
    pool_.prefetch_group(node);
    if (pool_.where(node) == OrderPool::kNowhere) return;
    pool_.tree_of(node).remove(node);
    ASSERT_EQ(pool_.where(node), OrderPool::kNowhere);
    models_[tree_of_[node]].erase(entries_[node]);
  }
  void expect_equal_to_model(OrderSearch::Question question) const {
    for (std::size_t t = 0; t < 2; ++t) expect_equal(trees_[t], models_[t], question);
  }
  [[nodiscard]] std::size_t bytes() const { return pool_.bytes() + trees_[0].bytes(); }

 private:
  OrderPool pool_;
  std::array<OrderTree, 2> trees_{OrderTree(pool_), OrderTree(pool_)};
  std::array<Model, 2> models_;
  std::array<OrderTree::Place, 2> hints_{};
  std::vector<Entry> entries_;
  std::map<std::uint32_t, std::size_t> tree_of_;
};

void play(std::uint64_t seed, std::uint32_t nodes, std::int64_t keys, int steps) {
  Forest forest(nodes);
  Draw draw(seed);
  // Grows, stays, and shrinks, so that blocks and groups split, merge and go.
  for (int step = 0; step < steps; ++step) {
    const auto node = static_cast<std::uint32_t>(draw.below(nodes));
    const std::int64_t puts = step < steps / 3 ? 9 : step < 2 * steps / 3 ? 6 : 2;
    if (draw.below(10) < puts) {
      forest.put(node, draw.one_in(3) ? 1 : 0, static_cast<std::int32_t>(draw.below(keys)),
                 static_cast<std::int32_t>(draw.below(50)));
    } else {
      forest.take(node);
    }
    if (step % 97 != 0) continue;
    forest.expect_equal_to_model({.least_key = static_cast<std::int32_t>(draw.below(keys + 2)),
                                  .least_other = static_cast<std::int32_t>(draw.below(55))});
    forest.expect_equal_to_model({.least_key = -1000, .least_other = -1000});
    if (::testing::Test::HasFatalFailure()) return;
  }
  for (std::uint32_t node = 0; node < nodes; ++node) forest.take(node);
  forest.expect_equal_to_model({.least_key = -1000, .least_other = -1000});
  EXPECT_GT(forest.bytes(), 0u);
}

TEST(OrderTree, IsAnOrderedSetOfFewNodes) {
  play(1, 40, 10, 5'000);
}
TEST(OrderTree, IsAnOrderedSetWhereKeysAreFew) {
  play(2, 3'000, 3, 20'000);
}
TEST(OrderTree, IsAnOrderedSetWhereKeysAreMany) {
  play(3, 3'000, 1'000'000, 20'000);
}

TEST(OrderTree, TakesKeysThatOnlyRiseOrOnlyFall) {
  for (const std::int32_t sign : {1, -1}) {
    Forest forest(5'000);
    for (std::uint32_t node = 0; node < 5'000; ++node)
      forest.put(node, 0, sign * static_cast<std::int32_t>(node), 7);
    forest.expect_equal_to_model({.least_key = sign * 2'500, .least_other = 7});
    forest.expect_equal_to_model({.least_key = -5'000, .least_other = 8});
  }
}

TEST(OrderSearch, LooksAtLittleWhereNothingCanDo) {
  OrderPool pool;
  pool.resize(20'000);
  OrderTree tree(pool);
  for (std::uint32_t node = 0; node < 20'000; ++node)
    tree.insert({static_cast<std::int32_t>(node % 977), 5, node});
  OrderSearch search(tree, {.least_key = 3, .least_other = 6});
  EXPECT_FALSE(search.next());
  EXPECT_LT(search.steps(), 100u);
}

}  // namespace
}  // namespace berth::placement::testing
