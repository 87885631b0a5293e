// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

FitSteps steps_of(const std::vector<std::int32_t>& amounts) {
  FitSteps out;
  for (const std::int32_t amount : amounts) out.came(amount);
  return out;
}

// Columns of offers with a tree over them.
class Offers {
 public:
  // `steps`: the amounts of cpu that are told apart.
  explicit Offers(const std::vector<std::int32_t>& steps) : tree(steps_of(steps)) {}

  void resize(std::size_t nodes) {
    nodes_ = nodes;
    cpu.resize((nodes + 63) / 64 * 64, lanes::kNothing);
    memory.resize(cpu.size(), lanes::kNothing);
    codes.resize(cpu.size());
    counts.resize(cpu.size());
    tree.resize(nodes);
  }
  void set(std::uint32_t node, std::int32_t new_cpu, std::int32_t new_memory) {
    cpu[node] = new_cpu;
    memory[node] = new_memory;
    const std::uint32_t first = node / lanes::kWidth * lanes::kWidth;
    const FitCode before = codes[node];
    codes[node] = {code_of(new_cpu), code_of(new_memory)};
    tree.change(node / lanes::kWidth, before, codes[node], codes.data() + first, 0xFFFF);
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
  std::vector<FitCode> codes;

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
  Offers offers({0, 3, 20, 50, 51, 99});
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
  Offers offers({1});
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
  Offers offers({1, 11});
  offers.resize(100'000);
  for (std::uint32_t node = 0; node < 100'000; node += 10) offers.set(node, 10, 10);
  FitSearch search(offers.tree, offers.question(11, 1), 0);
  EXPECT_EQ(search.next(), FitSearch::kNone);
  EXPECT_LT(search.steps(), 20u);
}

TEST(FitTree, LooksAtLittleWhereNodesHaveMuchOfOneAndNothingOfTheOther) {
  Offers offers({100, 200, 300});
  offers.resize(100'000);
  for (std::uint32_t node = 0; node < 100'000; ++node)
    offers.set(node, node % 2 == 0 ? 5000 : 199, node % 2 == 0 ? 99 : 8000);
  offers.set(77'777, 200, 100);
  FitSearch search(offers.tree, offers.question(200, 100), 0);
  EXPECT_EQ(search.next(), 77'777u);
  EXPECT_EQ(search.next(), FitSearch::kNone);
  EXPECT_LT(search.steps(), 20u);
}

TEST(FitTree, LooksOnlyAtNodesOfItsPart) {
  FitSteps steps = steps_of({10});
  FitTree odd(steps);
  odd.resize(64);
  const std::vector<std::int32_t> cpu(64, 10);
  const std::vector<std::int32_t> memory(64, 10);
  std::vector<std::uint8_t> part_of;
  for (std::uint32_t node = 0; node < 64; ++node)
    part_of.push_back(static_cast<std::uint8_t>(node % 2));
  const std::vector<FitCode> codes(16, {code_of(10), code_of(10)});
  odd.set(1, codes.data(), 0xAAAA);
  FitSearch search(odd,
                   {.cpu = cpu.data(),
                    .memory = memory.data(),
                    .least_cpu = 10,
                    .least_memory = 10,
                    .part_of = part_of.data(),
                    .part = 1},
                   16);
  EXPECT_EQ(drain(search), (std::vector<std::uint32_t>{17, 19, 21, 23, 25, 27, 29, 31}));
}

}  // namespace
}  // namespace berth::placement::testing
