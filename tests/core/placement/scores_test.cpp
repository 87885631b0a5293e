// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace berth::placement {
namespace {

constexpr DeviceAsk kHalf{.devices = 1, .share_milli = 500};
constexpr DeviceAsk kWhole{.devices = 1, .share_milli = 1000};
constexpr DeviceAsk kTwo{.devices = 2, .share_milli = 1000};

std::vector<DeviceFree> left(std::initializer_list<std::int32_t> shares) {
  std::vector<DeviceFree> out;
  for (const std::int32_t share : shares) out.push_back({.share_milli = share});
  return out;
}

std::vector<Dimension> draw_dimensions() {
  std::vector<Dimension> out;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) {
    Dimension one{.scale = *rc::gen::inRange<std::int64_t>(1, 1 << 30)};
    one.free = *rc::gen::inRange<std::int64_t>(0, one.scale + 1);
    one.request = *rc::gen::inRange<std::int64_t>(0, one.free + 1);
    out.push_back(one);
  }
  return out;
}

TEST(Scores, BestFitPrefersTheNodeWithLessLeft) {
  // 100 (1 - (0.5 * 30/128 + 0.5 * 2/8)) = 75.78
  EXPECT_EQ(best_fit(std::array{Dimension{32, 2, 128}, Dimension{3, 1, 8}}), 75);
  EXPECT_EQ(best_fit(std::array{Dimension{128, 2, 128}, Dimension{8, 1, 8}}), 7);
  EXPECT_EQ(best_fit(std::array{Dimension{2, 2, 128}, Dimension{1, 1, 8}}), 100);
  EXPECT_EQ(best_fit({}), 0);
}

TEST(Scores, DotProductPrefersTheSmallerProduct) {
  // 100 (1 - (64/128 * 32/128 + 4/8 * 4/8) / 2) = 81.25
  EXPECT_EQ(dot_product(std::array{Dimension{64, 32, 128}, Dimension{4, 4, 8}}), 81);
  EXPECT_EQ(dot_product(std::array{Dimension{64, 32, 128}, Dimension{4, 4, 8}}, 1000), 812);
  EXPECT_EQ(dot_product(std::array{Dimension{128, 128, 128}, Dimension{8, 8, 8}}), 0);
  EXPECT_EQ(dot_product({}), 0);
}

TEST(Scores, L2FitPrefersWhatIsLeftEvenly) {
  const std::int32_t even = l2_fit(std::array{Dimension{6, 2, 8}, Dimension{6, 2, 8}});
  const std::int32_t skewed = l2_fit(std::array{Dimension{8, 2, 8}, Dimension{4, 2, 8}});
  EXPECT_EQ(even, kL2Whole - kL2Whole / 4);
  EXPECT_EQ(skewed, kL2Whole - kL2Whole / 32 * 10);  // (9/16 + 1/16) / 2
  EXPECT_EQ(l2_fit(std::array{Dimension{2, 2, 8}}), kL2Whole);
  EXPECT_EQ(l2_fit(std::array{Dimension{1 << 30, 0, 1 << 30}}), 0);
  EXPECT_EQ(l2_fit({}), 0);
}

RC_GTEST_PROP(Scores, AreTheirFormulasRoundedDown, ()) {
  const std::vector<Dimension> dimensions = draw_dimensions();
  const int levels = *rc::gen::element(5, 100, 1000);
  const auto count = static_cast<long double>(dimensions.size());
  long double fit = 0;
  long double dot = 0;
  long double square = 0;
  for (const Dimension& one : dimensions) {
    const auto scale = static_cast<long double>(one.scale);
    const auto free = static_cast<long double>(one.free);
    const auto request = static_cast<long double>(one.request);
    fit += (free - request) / scale / count;
    dot += free / scale * request / scale / count;
    square += std::pow((free - request) / scale, 2.0L) / count;
  }
  // Rounding down may fall on either side of a whole number that the formula hits exactly.
  RC_ASSERT(std::abs(best_fit(dimensions, levels) + 0.5L - levels * (1 - fit)) < 0.5L + 1e-9L);
  RC_ASSERT(std::abs(dot_product(dimensions, levels) + 0.5L - levels * (1 - dot)) < 0.5L + 1e-9L);
  // Its steps are 1/2^15 of a dimension each.
  RC_ASSERT(std::abs(l2_fit(dimensions) - kL2Whole * (1 - square)) <= 2 * 32768 + 1);
}

TEST(Scores, TheTightestDeviceServesAPartAndTheFirstFreeOneAWhole) {
  EXPECT_EQ(tightest_device(left({1000, 600, 500, 499, 500}), kHalf), 2U);
  EXPECT_EQ(tightest_device(left({499, 1000}), kHalf), 1U);
  EXPECT_EQ(tightest_device(left({499}), kHalf), std::nullopt);
  EXPECT_EQ(tightest_device(left({999, 1000, 1000}), kTwo), 1U);
  EXPECT_EQ(tightest_device(left({999, 1000}), kTwo), std::nullopt);
  EXPECT_EQ(tightest_device(left({1000}), {}), std::nullopt);
  const std::vector<DeviceFree> models = {{500, 0}, {900, 1}};
  EXPECT_EQ(tightest_device(models, {.devices = 1, .share_milli = 500, .models = 0b10}), 1U);
}

TEST(Scores, PackingTakesSharedDevicesThenFreeOnesInUsedNodesThenFreeNodes) {
  EXPECT_EQ(gpu_packing(left({500, 1000}), kHalf), 95);
  EXPECT_EQ(gpu_packing(left({999, 1000}), kHalf), 91);
  EXPECT_EQ(gpu_packing(left({0, 1000}), kHalf), 49);
  EXPECT_EQ(gpu_packing(left({500, 1000}), kWhole), 49);
  EXPECT_EQ(gpu_packing(left({500, 1000, 1000}), kTwo), 48);
  std::vector<DeviceFree> many(33, {.share_milli = 1000});
  many[0].share_milli = 0;
  EXPECT_EQ(gpu_packing(many, {.devices = 20, .share_milli = 1000}), 33);
  EXPECT_EQ(gpu_packing(left({1000, 1000}), kHalf), 31);
  EXPECT_EQ(gpu_packing(left({1000, 1000, 1000}), kHalf), 30);
  EXPECT_EQ(gpu_packing(std::vector<DeviceFree>(40, {.share_milli = 1000}), kHalf), 0);
  EXPECT_EQ(gpu_packing(left({500}), {}), 0);
}

TEST(Scores, ClusteringKeepsTasksOfOneKindTogether) {
  const auto score = [](bool same, bool others, const DeviceAsk& ask = kHalf) {
    return gpu_clustering(
        {.left_milli = 6000, .scale_milli = 8000, .hosted = {.same = same, .others = others}}, ask);
  };
  EXPECT_EQ(score(true, false), 75 + 6);
  EXPECT_EQ(score(true, true), 50 + 6);
  EXPECT_EQ(score(false, false), 25 + 6);
  EXPECT_EQ(score(false, true), 0 + 6);
  EXPECT_EQ(score(true, false, {.cpu = 4}), 0);
}

}  // namespace
}  // namespace berth::placement
