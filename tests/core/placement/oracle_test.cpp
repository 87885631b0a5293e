// SPDX-License-Identifier: Apache-2.0
// The engine against the oracle, over random histories.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "core/placement/engine.hpp"
#include "tests/core/placement/twins.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

using Simd = EngineOptions::Simd;

void run_history(Simd simd, std::int64_t nodes, const std::vector<std::uint64_t>& steps) {
  // None, a few, or all of the scores can be kept.
  const auto cache = *rc::gen::element<std::size_t>(0, 3000, 64 << 20);
  const auto scan_up_to = *rc::gen::element<std::uint32_t>(0, 0, 0, 1536);
  Twins twins(
      EngineOptions{.simd = simd, .scan_up_to_nodes = scan_up_to, .score_cache_bytes = cache});
  Draw draw(static_cast<std::uint64_t>(nodes));
  for (std::int64_t i = 0; i < nodes; ++i) twins.add_node(draw);
  for (int i = 0; i < 5; ++i) twins.compile(draw);
  for (const std::uint64_t seed : steps) twins.step(seed);
  twins.compare_books();
}

// Histories of a given length are not shrunk: that takes minutes and the first property finds most
// faults in short ones.
std::vector<std::uint64_t> draw_steps(std::size_t count) {
  return *rc::gen::noShrink(
      rc::gen::container<std::vector<std::uint64_t>>(count, rc::gen::arbitrary<std::uint64_t>()));
}
Simd draw_simd() {
  return *rc::gen::element(Simd::Scalar, Simd::Avx2, Simd::Avx512);
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesOnAFewNodes, (std::vector<std::uint64_t> steps)) {
  run_history(Simd::Auto, *rc::gen::inRange<std::int64_t>(0, 12), steps);
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesThroughALongHistory, ()) {
  run_history(draw_simd(), *rc::gen::inRange<std::int64_t>(0, 30), draw_steps(500));
}

RC_GTEST_PROP(Engine, AnswersAsTheOracleDoesOnNodesBeyondOneWord, ()) {
  run_history(draw_simd(), *rc::gen::inRange<std::int64_t>(60, 200), draw_steps(60));
}

RC_GTEST_PROP(Engine, ChoosesWhichTasksToStopAsTheOracleDoes, ()) {
  Twins twins(Twins::Shape{.shelves = *rc::gen::inRange<std::int64_t>(0, 6)});
  Draw draw(*rc::gen::arbitrary<std::uint64_t>());
  const auto nodes = *rc::gen::inRange<std::int64_t>(1, 30);
  for (std::int64_t i = 0; i < nodes; ++i) twins.add_node(draw);
  for (std::int64_t i = 0; i < 4 * nodes; ++i) twins.adopt(draw);
  for (int i = 0; i < 20; ++i) {
    twins.compile(draw);
    twins.choose_to_stop(draw);
  }
}

RC_GTEST_PROP(Engine, KeepsTheOrderOfThoseThatMayBeStopped, ()) {
  Twins twins(Twins::Shape{.shelves = *rc::gen::inRange<std::int64_t>(0, 6)});
  Draw draw(*rc::gen::arbitrary<std::uint64_t>());
  const auto nodes = *rc::gen::inRange<std::int64_t>(1, 30);
  for (std::int64_t i = 0; i < nodes; ++i) twins.add_node(draw);
  for (std::int64_t i = 0; i < 4 * nodes; ++i) twins.adopt(draw);
  for (int i = 0; i < 10; ++i) twins.compile(draw);
  for (int i = 0; i < 60; ++i) {
    twins.step(draw.next());
    twins.change_leavers(draw);
    // As often as not the same question again: from what was kept.
    for (int j = 0; j < 3; ++j) twins.choose_of_leavers(draw);
  }
}

}  // namespace
}  // namespace berth::placement::testing
