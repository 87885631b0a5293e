// SPDX-License-Identifier: Apache-2.0
#include "core/cli/since.hpp"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

std::string read(const std::string& text) {
  const auto seconds = seconds_since_epoch(text, std::chrono::sys_seconds(std::chrono::seconds(1'000'000)));
  return seconds ? *seconds : "refused";
}

TEST(Since, CountsSpansBackFromNow) {
  EXPECT_EQ(read("90s"), "999910");
  EXPECT_EQ(read("10m"), "999400");
  EXPECT_EQ(read("2h"), "992800");
  EXPECT_EQ(read("1d"), "913600");
}

TEST(Since, ReadsTimesInEveryZone) {
  EXPECT_EQ(read("1970-01-02T00:00:00Z"), "86400");
  EXPECT_EQ(read("1970-01-02T02:00:00+02:00"), "86400");
  EXPECT_EQ(read("1970-01-01T19:00:00-05:00"), "86400");
  EXPECT_EQ(read("1970-01-02T00:00:00.25Z"), "86400.25");
}

TEST(Since, TakesSecondsAsTheyAre) { EXPECT_EQ(read("1795445444"), "1795445444"); }

class BadSince : public ::testing::TestWithParam<const char*> {};
TEST_P(BadSince, IsRefusedWithWhatIsWanted) {
  const auto refused = seconds_since_epoch(GetParam(), {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("want 90s"), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Since, BadSince,
                         ::testing::Values("", "s", "yesterday", "99999999999999999999s", "9999999999999d", "-5m",
                                           "1970-13-01T00:00:00Z", "1970-02-30T00:00:00Z", "1970-01-01T24:00:00Z",
                                           "1970-01-01T00:00:00", "1970-01-01", "1970-01-01T00:00:00+2",
                                           "1970-01-01T00:00:00.Z", "123456789012"));

}  // namespace
}  // namespace berth::cli
