// SPDX-License-Identifier: Apache-2.0
// In which order nodes and tasks come: read, and shuffled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "bench/replay/trace.hpp"
#include "tests/bench/replay/scratch.hpp"

namespace berth::replay {
namespace {

using ::testing::ElementsAre;

std::string fault(const std::string& content) {
  const Scratch scratch;
  const auto arrivals = read_arrivals(scratch.write("order", content), example_trace());
  return arrivals ? "none" : arrivals.error().substr(scratch.path("").size());
}

// So many devices, and one task for each entry, of so many thousandths.
Trace trace_of(std::int32_t devices, const std::vector<std::int32_t>& shares) {
  Trace trace{.nodes = {{.name = "n", .devices = devices}}};
  for (std::size_t i = 0; i < shares.size(); ++i) {
    // Names run against the rows.
    trace.tasks.push_back({.name = std::to_string(1000 - i),
                           .ask = {.devices = shares[i] > 0, .share_milli = shares[i]}});
  }
  return trace;
}

std::int64_t asked(const Trace& trace, const Arrivals& arrivals) {
  std::int64_t total = 0;
  for (const std::uint32_t row : arrivals.tasks) total += trace.tasks[row].gpu_milli();
  return total;
}

TEST(Arrivals, AreTwoLinesOfRowNumbers) {
  const Scratch scratch;
  const auto arrivals =
      read_arrivals(scratch.write("order", "nodes 2 0 1\r\npods 5 0 0 3\n"), example_trace());
  ASSERT_TRUE(arrivals.has_value()) << arrivals.error();
  EXPECT_THAT(arrivals->nodes, ElementsAre(2, 0, 1));
  EXPECT_THAT(arrivals->tasks, ElementsAre(5, 0, 0, 3));
}

TEST(Arrivals, NameTheEntryThatIsWrong) {
  EXPECT_EQ(fault("nodes 0 1 2\npods 0"), "none");
  EXPECT_EQ(fault(""), "order:1: does not begin with 'nodes '");
  EXPECT_EQ(fault("nodes 0 1 2\n"), "order:2: does not begin with 'pods '");
  EXPECT_EQ(fault("pods 0\nnodes 0 1 2\n"), "order:1: does not begin with 'nodes '");
  EXPECT_EQ(fault("nodes 0 1 3\npods 0\n"), "order:1: nodes[2] is not a row number below 3: '3'");
  EXPECT_EQ(fault("nodes 0 1 2\npods 0 -1\n"),
            "order:2: pods[1] is not a row number below 6: '-1'");
  EXPECT_EQ(fault("nodes 0 1 2\npods 0 1x\n"),
            "order:2: pods[1] is not a row number below 6: '1x'");
  EXPECT_EQ(fault("nodes 0 1 1\npods 0\n"), "order:1: nodes[2] is there twice: '1'");
  EXPECT_EQ(fault("nodes 0 1\npods 0\n"), "order:1: nodes has 2 of 3 rows");
  EXPECT_EQ(fault("nodes 0 1 2\npods 0\npods 1\n"),
            "order:3: there are only two lines, nodes and pods");
}

TEST(Arrivals, OfASeedAreEachTaskOnceAndThenDrawsUpToTheLoad) {
  const Trace trace = trace_of(4, {500, 1000, 0, 300});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto arrivals = shuffled_arrivals(trace, {.seed = seed, .load = 1.3});
    ASSERT_TRUE(arrivals.has_value()) << arrivals.error();
    const std::set<std::uint32_t> first(arrivals->tasks.begin(), arrivals->tasks.begin() + 4);
    EXPECT_THAT(first, ElementsAre(0, 1, 2, 3));
    // The first draw that asks for too much ends it.
    EXPECT_LE(asked(trace, *arrivals), 5200);
    EXPECT_GT(asked(trace, *arrivals), 4200);
  }
}

TEST(Arrivals, OfASeedAreTheSameWhateverTheOrderOfTheRows) {
  const Trace trace = trace_of(3, {500, 1000, 700, 300, 100, 200});
  Trace reversed = trace;
  std::ranges::reverse(reversed.tasks);
  const auto first_names = [](const Trace& one) {
    std::vector<std::string> names;
    const auto arrivals = shuffled_arrivals(one, {.seed = 7, .load = 1.0});
    for (std::size_t i = 0; i < one.tasks.size(); ++i) {
      names.push_back(one.tasks[arrivals->tasks[i]].name);
    }
    return names;
  };
  EXPECT_EQ(first_names(trace), first_names(reversed));
}

TEST(Arrivals, OfADifferentSeedAreInAnotherOrder) {
  const Trace trace = trace_of(6, std::vector<std::int32_t>(30, 100));
  EXPECT_EQ(shuffled_arrivals(trace, {.seed = 1})->tasks,
            shuffled_arrivals(trace, {.seed = 1})->tasks);
  EXPECT_NE(shuffled_arrivals(trace, {.seed = 1})->tasks,
            shuffled_arrivals(trace, {.seed = 2})->tasks);
}

TEST(Arrivals, LoseRandomTasksWhereTheseAskForTooMuch) {
  const Trace trace = trace_of(10, std::vector<std::int32_t>(30, 1000));
  const auto arrivals = shuffled_arrivals(trace, {.seed = 3, .load = 1.3});
  ASSERT_TRUE(arrivals.has_value());
  EXPECT_EQ(arrivals->tasks.size(), 13U);
  EXPECT_EQ(std::set(arrivals->tasks.begin(), arrivals->tasks.end()).size(), 13U);
}

TEST(Arrivals, AreRefusedWhereTheLoadIsNeverReached) {
  EXPECT_EQ(shuffled_arrivals(trace_of(4, {0, 0}), {}).error(),
            "the tasks ask for so little GPU that over 4000000 would have to come");
}

}  // namespace
}  // namespace berth::replay
