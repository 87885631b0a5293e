// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

// Columns of offers with a tree over them.
class Offers {
 public:
  void resize(std::size_t nodes) {
    nodes_ = nodes;
    cpu.resize((nodes + 63) / 64 * 64, lanes::kNothing);
    memory.resize(cpu.size(), lanes::kNothing);
    counts.resize(cpu.size());
    tree.resize(nodes);
  }
  void set(std::uint32_t node, std::int32_t new_cpu, std::int32_t new_memory) {
    cpu[node] = new_cpu;
    memory[node] = new_memory;
    const std::uint32_t first = node / lanes::kWidth * lanes::kWidth;
    tree.set(node / lanes::kWidth, lanes::greatest(cpu.data() + first),
             lanes::greatest(memory.data() + first));
  }
  [[nodiscard]] FitQuestion question(std::int32_t least_cpu, std::int32_t least_memory) const {
    return {cpu.data(), memory.data(), least_cpu, least_memory};
  }
  // What a search must find, by looking at each.
  [[nodiscard]] std::vector<std::uint32_t> all(const FitQuestion& q, std::uint32_t from,
                                               std::int32_t count_end) const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t node = from; node < nodes_; ++node) {
      if (cpu[node] >= q.least_cpu && memory[node] >= q.least_memory && counts.of(node) < count_end)
        out.push_back(node);
    }
    return out;
  }

  FitTree tree;
  CountTree counts;
  std::vector<std::int32_t> cpu;
  std::vector<std::int32_t> memory;

 private:
  std::size_t nodes_ = 0;
};

std::vector<std::uint32_t> drain(FitSearch search) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t node = search.next(); node != FitSearch::kNone; node = search.next())
    out.push_back(node);
  return out;
}

// Few nodes can do: where most can, summaries would not matter.
void change(Offers& offers, Draw& draw, std::size_t nodes, int times) {
  for (int i = 0; i < times; ++i) {
    const auto node = static_cast<std::uint32_t>(draw.below(static_cast<std::int64_t>(nodes)));
    if (draw.one_in(5)) {
      offers.set(node, lanes::kNothing, lanes::kNothing);
    } else {
      offers.set(node, static_cast<std::int32_t>(draw.below(100)),
                 static_cast<std::int32_t>(draw.below(100)));
    }
    offers.counts.add(node, 1);
  }
}

TEST(FitTree, FindsWhatLookingAtEachNodeFindsWhileItGrows) {
  Offers offers;
  Draw draw(2);
  for (const std::size_t nodes : {1u, 15u, 16u, 17u, 255u, 257u, 300u, 4100u, 4200u, 9000u}) {
    offers.resize(nodes);
    for (int round = 0; round < 30; ++round) {
      change(offers, draw, nodes, 100);
      const FitQuestion q = offers.question(static_cast<std::int32_t>(draw.below(110)),
                                            static_cast<std::int32_t>(draw.below(110)));
      const auto from = static_cast<std::uint32_t>(draw.below(static_cast<std::int64_t>(nodes)));
      ASSERT_EQ(drain(FitSearch(offers.tree, q, from)), offers.all(q, from, INT32_MAX));
      const auto end = static_cast<std::int32_t>(draw.below(6));
      ASSERT_EQ(drain(FitSearch(offers.tree, q, from, &offers.counts, end)),
                offers.all(q, from, end));
    }
  }
  EXPECT_GT(offers.tree.bytes(), 0u);
}

TEST(FitTree, PassesByNodesThatRunTooManyOnceTheEndIsLowered) {
  Offers offers;
  offers.resize(600);
  for (std::uint32_t node = 0; node < 600; ++node) {
    offers.set(node, 10, 10);
    offers.counts.add(node, static_cast<std::int32_t>(node % 7));
  }
  FitSearch search(offers.tree, offers.question(1, 1), 0, &offers.counts, 7);
  EXPECT_EQ(search.next(), 0u);
  EXPECT_EQ(search.next(), 1u);
  search.lower_count_end(1);
  std::vector<std::uint32_t> found;
  for (std::uint32_t node = search.next(); node != FitSearch::kNone; node = search.next()) {
    // What it looked at before may still come.
    if (node % 7 == 0) found.push_back(node);
  }
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t node = 7; node < 600; node += 7) wanted.push_back(node);
  EXPECT_EQ(found, wanted);
}

TEST(FitTree, LooksAtLittleWhereNothingCanDo) {
  Offers offers;
  offers.resize(100'000);
  for (std::uint32_t node = 0; node < 100'000; node += 10) offers.set(node, 10, 10);
  FitSearch search(offers.tree, offers.question(11, 1), 0);
  EXPECT_EQ(search.next(), FitSearch::kNone);
  EXPECT_LT(search.steps(), 20u);
}

}  // namespace
}  // namespace berth::placement::testing
