// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fit_steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace berth::placement {
namespace {

std::vector<std::int16_t> steps_of(const FitSteps& steps) {
  return {steps.codes().begin(), steps.codes().begin() + steps.count()};
}

TEST(FitSteps, CodesKeepTheOrderOfAmounts) {
  const std::vector<std::int32_t> amounts = {lanes::kNothing,
                                             -(1 << 30),
                                             -5,
                                             0,
                                             1,
                                             2,
                                             3,
                                             63,
                                             64,
                                             65,
                                             1023,
                                             1024,
                                             1025,
                                             4095,
                                             4096,
                                             70'000,
                                             1 << 29,
                                             (1 << 30) - 1,
                                             1 << 30};
  for (std::size_t i = 1; i < amounts.size(); ++i)
    EXPECT_LE(code_of(amounts[i - 1]), code_of(amounts[i])) << amounts[i];
  EXPECT_EQ(code_of(lanes::kNothing), 0);
  EXPECT_EQ(code_of(0), 1);
  EXPECT_LT(code_of(1), code_of(2));
  EXPECT_LT(code_of(1023), code_of(1024));
  EXPECT_LT(code_of(1 << 30), INT16_MAX);
}

TEST(FitSteps, AreTheAmountsThatAreAskedForWhileTheseAreFew) {
  FitSteps steps;
  for (const std::int32_t cpu : {512, 256, 1024, 256}) steps.came(cpu);
  EXPECT_EQ(steps_of(steps),
            (std::vector<std::int16_t>{code_of(256), code_of(512), code_of(1024)}));
  const auto version = steps.version();
  steps.came(512);
  steps.went(1024);
  steps.came(1024);
  EXPECT_EQ(steps.version(), version);
}

TEST(FitSteps, NeverBeginAboveWhatIsAskedFor) {
  FitSteps steps;
  for (std::int32_t cpu = 100; cpu < 116; ++cpu) steps.came(cpu);
  const auto version = steps.version();
  steps.came(7);
  EXPECT_EQ(steps.count(), FitSteps::kMost);
  EXPECT_EQ(steps.codes().front(), code_of(7));
  EXPECT_GT(steps.version(), version);
}

TEST(FitSteps, AreSpreadOverWhatIsAskedForOnceManyAmountsCame) {
  FitSteps steps;
  for (std::int32_t cpu = 1; cpu <= 16; ++cpu) steps.came(cpu);
  for (std::int32_t cpu = 1; cpu <= 16; ++cpu) steps.went(cpu);
  for (std::int32_t cpu = 1; cpu <= 16; ++cpu) steps.came(cpu * 100);
  EXPECT_EQ(steps.count(), FitSteps::kMost);
  EXPECT_EQ(steps.codes().front(), code_of(100));
  EXPECT_EQ(steps.codes().back(), code_of(1600));
  EXPECT_TRUE(std::is_sorted(steps.codes().begin(), steps.codes().end()));
}

TEST(FitSteps, AreChosenAnewMoreAndMoreSeldom) {
  FitSteps steps;
  for (std::int32_t cpu = 1; cpu <= 10'000; ++cpu) {
    steps.came(cpu);
    if (cpu > 1) steps.went(cpu);
  }
  EXPECT_LT(steps.version(), 200u);
}

}  // namespace
}  // namespace berth::placement
