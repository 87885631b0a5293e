// SPDX-License-Identifier: Apache-2.0
#include "core/api/record_counts.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/core/api/fake_control.hpp"

namespace berth::api {
namespace {

using std::chrono::seconds;

constexpr char kCounted[] = "0123456789abcdef0123456789abcdef";

class RecordCountsTest : public testing::Test {
 protected:
  // "RUNNING 1" and so on: what is told of tasks.
  std::string tasks() {
    std::string text;
    counts_.ask([&](const std::shared_ptr<const Families>& told) {
      for (const auto& family : *told) {
        if (family.name != "berth_tasks") continue;
        for (const auto& metric : family.metric) {
          text +=
              metric.label.at(1).value + " " + std::to_string(static_cast<int>(metric.gauge.value));
        }
      }
    });
    return text;
  }

  FakeControl control_;
  seconds reading_{};  // how long one look at the clock takes: so long each count takes
  RecordCounts::Clock::time_point now_{};
  RecordCounts counts_{control_, [this] { return now_ += reading_; }};
};

TEST_F(RecordCountsTest, NothingIsLeftOfWhatIsGone) {
  control_.add_task(kCounted, "web", TaskStatus::Running);
  EXPECT_EQ(tasks(), "RUNNING 1");
  control_.add_task(kCounted, "web", TaskStatus::Stopped);
  EXPECT_EQ(tasks(), "STOPPED 1");
}

TEST_F(RecordCountsTest, CountingTakesAtMostATwentiethOfTheTime) {
  control_.add_task(kCounted, "web", TaskStatus::Running);
  reading_ = seconds(1);
  EXPECT_EQ(tasks(), "RUNNING 1");
  const auto begun = now_ - seconds(1);
  reading_ = seconds(0);
  control_.add_task(kCounted, "web", TaskStatus::Stopped);
  now_ = begun + seconds(19);
  EXPECT_EQ(tasks(), "RUNNING 1");
  now_ = begun + seconds(20);
  EXPECT_EQ(tasks(), "STOPPED 1");
}

}  // namespace
}  // namespace berth::api
