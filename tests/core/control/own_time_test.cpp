// SPDX-License-Identifier: Apache-2.0
// A clock that is set back while the control plane is down.
#include "core/control/own_time.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;

class OwnTimeTest : public ServiceBench {
 protected:
  void crash_and_set_the_clock_back(milliseconds by) {
    now -= by;
    crash();
  }
  void come_back() {
    bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
    work();
  }
};

TEST_F(OwnTimeTest, GoesOnFromTheNewestRecordAndSaysSo) {
  open();
  submit(create("web", 1));
  work();
  const Instant newest = newest_own_time(core->state());
  EXPECT_EQ(newest, now);
  crash_and_set_the_clock_back(hours(3));
  EXPECT_EQ(core->now(), newest);
  EXPECT_THAT(warnings, Contains(HasSubstr("behind the newest record")));
  core->tick(newest - hours(3));
  EXPECT_EQ(core->now(), newest) << "what the owner's clock says is before it does not count";
}

TEST_F(OwnTimeTest, SaysNothingWhereTheClockGoesOn) {
  open();
  submit(create("web", 1));
  work();
  now += milliseconds(1);
  crash();
  EXPECT_EQ(core->now(), now);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(OwnTimeTest, AThrottleIsNotLengthenedByAClockThatWasSetBack) {
  open();
  broken = {1};
  submit(create("web", 1));
  work();
  const std::size_t tried = starts.size();
  ASSERT_GE(tried, 1u);
  crash_and_set_the_clock_back(hours(3));
  come_back();
  EXPECT_EQ(starts.size(), tried) << "it holds over the restart";
  pass(seconds(2));
  EXPECT_GT(starts.size(), tried);
}

TEST_F(OwnTimeTest, WhatHasEndedIsKeptForItsHourAndNotForLonger) {
  open();
  submit(create("web", 1));
  work();
  const TaskId id = tasks_of("web")[0]->id;
  ask(stop_task(id));
  work();
  crash_and_set_the_clock_back(hours(3));
  come_back();
  ASSERT_TRUE(task(id));
  pass(minutes(59));
  EXPECT_TRUE(task(id));
  pass(minutes(2));
  while (plugins.count(v1::METHOD_LAUNCH_FORGET) > 0) answer(v1::METHOD_LAUNCH_FORGET, v1::Empty());
  EXPECT_FALSE(task(id));
}

TEST_F(OwnTimeTest, WhatIsToComeAndWhatHostsSayCarriesNoTimeAhead) {
  open();
  submit(create("web", 1));
  work();
  const TaskId id = tasks_of("web")[0]->id;
  ask(UpdateTaskProtection{ClusterName("default"), {id.str()}, hours(10)});
  v1::TaskReport one = report_of(id, 1'000'000, v1::TASK_PHASE_STOPPED);
  one.mutable_stopped_at()->set_ms((now + hours(5)).time_since_epoch().count());
  report(one);
  EXPECT_EQ(newest_own_time(core->state()), now);
}

}  // namespace
}  // namespace berth::control
