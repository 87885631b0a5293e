// SPDX-License-Identifier: Apache-2.0
#include "core/placement/narrow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/placement/lanes.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

TEST(Narrow, CodesKeepTheOrderOfAmounts) {
  EXPECT_EQ(narrow_of(lanes::kNothing), 0);
  EXPECT_EQ(narrow_of(-1), 0);
  EXPECT_EQ(narrow_of(0), 1);
  EXPECT_EQ(narrow_of(65'533), 65'534);
  EXPECT_EQ(narrow_of(65'534), kNarrowMost);
  EXPECT_EQ(narrow_of(INT32_MAX), kNarrowMost);
}

// What narrow.hpp says, in plain lines.
std::size_t first_least(const NarrowScan& scan) {
  std::size_t out = Best::kNone;
  for (std::size_t node = 0; node < scan.nodes; ++node) {
    const bool passes = scan.key[node] >= scan.least_key && scan.other[node] >= scan.least_other;
    if (!passes || scan.key[node] == kNarrowMost) continue;
    if (out == Best::kNone || scan.key[node] < scan.key[out]) out = node;
  }
  return out;
}

TEST(Narrow, ScansFindTheFirstOfTheLeast) {
  Draw draw(5);
  for (int round = 0; round < 3'000; ++round) {
    const auto size = static_cast<std::size_t>(64 * (1 + draw.below(5)));
    const std::int64_t range = draw.one_in(3) ? 65'540 : 1 + draw.below(40);
    std::vector<std::uint16_t> key(size);
    std::vector<std::uint16_t> other(size);
    const auto code = [&] { return narrow_of(static_cast<std::int32_t>(draw.below(range)) - 1); };
    for (std::size_t node = 0; node < size; ++node) {
      key[node] = code();
      other[node] = draw.one_in(4) ? 0 : code();
    }
    const auto least = [&] {
      return narrow_of(
          static_cast<std::int32_t>(draw.below(std::min<std::int64_t>(range, 65'000))));
    };
    const NarrowScan scan{.key = key.data(),
                          .other = other.data(),
                          .least_key = least(),
                          .least_other = least(),
                          .nodes = size};
    ASSERT_EQ(first_least_scalar(scan), first_least(scan));
    if (avx2_kernels() != nullptr) {
      ASSERT_EQ(first_least_avx2(scan), first_least(scan));
    }
  }
}

}  // namespace
}  // namespace berth::placement::testing
