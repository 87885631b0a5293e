// SPDX-License-Identifier: Apache-2.0
#include "core/cli/usage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::cli {
namespace {

using testing::ElementsAre;

boost::json::object look(const std::string& containers) {
  return boost::json::parse("{\"containers\":[" + containers + "]}").as_object();
}

std::string container(const std::string& more, const std::string& task = "t1") {
  return R"({"taskArn":"arn:aws:ecs:us-east-1:0:task/default/)" + task + R"(","container":"web",)" +
         more + "}";
}

TEST(Usage, IsComputedFromTwoLooks) {
  UsageMeter meter;
  const auto first = meter.add(
      look(container(R"("at":100,"cpuSeconds":10,"cpuPeriods":50,"cpuThrottledPeriods":5)")));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_FALSE(first[0].cpu_percent);
  const auto second = meter.add(
      look(container(R"("at":102,"cpuSeconds":13,"cpuPeriods":70,"cpuThrottledPeriods":10)")));
  EXPECT_DOUBLE_EQ(second.at(0).cpu_percent.value(), 150);
  EXPECT_DOUBLE_EQ(second.at(0).throttled_percent.value(), 25);
}

TEST(Usage, OfAContainerThatBeganAnewIsNotNegative) {
  UsageMeter meter;
  meter.add(look(container(R"("at":100,"cpuSeconds":10)")));
  EXPECT_FALSE(meter.add(look(container(R"("at":101,"cpuSeconds":1)"))).at(0).cpu_percent);
  EXPECT_DOUBLE_EQ(
      meter.add(look(container(R"("at":102,"cpuSeconds":1.5)"))).at(0).cpu_percent.value(), 50);
}

TEST(Usage, ForgetsContainersThatAreGone) {
  UsageMeter meter;
  meter.add(look(container(R"("at":100,"cpuSeconds":10)")));
  meter.add(look(container(R"("at":101,"cpuSeconds":1)", "t2")));
  EXPECT_FALSE(meter.add(look(container(R"("at":102,"cpuSeconds":12)"))).at(0).cpu_percent);
}

TEST(Usage, IsShownWithDashesForWhatIsNotCounted) {
  UsageMeter meter;
  const auto bare = meter.add(look(container(
      R"("at":1,"cpuSeconds":1,"memoryBytes":1536,"pids":3,"oomKills":1,"memoryLimitHits":7)")));
  EXPECT_THAT(usage_cells(bare.at(0)),
              ElementsAre("t1", "web", "-", "-", "1.5KiB / -", "7", "1", "-", "-", "3"));
  meter.add(look(container(R"("at":1,"cpuSeconds":1)")));
  const auto full = meter.add(look(container(
      R"("at":2,"cpuSeconds":1.254,"memoryBytes":1048576,"memoryLimitBytes":67108864,"pids":1,)"
      R"("networkReceivedBytes":10,"networkSentBytes":2048,"ioReadBytes":0,"ioWriteBytes":5)")));
  EXPECT_THAT(usage_cells(full.at(0)), ElementsAre("t1", "web", "25.4%", "0.0%", "1.0MiB / 64MiB",
                                                   "0", "0", "10B / 2.0KiB", "0B / 5B", "1"));
  EXPECT_EQ(usage_heads().size(), usage_cells(full.at(0)).size());
}

TEST(Usage, WritesBytesShortly) {
  EXPECT_EQ(bytes_text(0), "0B");
  EXPECT_EQ(bytes_text(1023), "1023B");
  EXPECT_EQ(bytes_text(10 * 1024), "10KiB");
  EXPECT_EQ(bytes_text(3.25 * 1024 * 1024 * 1024), "3.2GiB");
}

}  // namespace
}  // namespace berth::cli
