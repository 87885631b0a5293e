// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/loop.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "core/daemon/forward_clock.hpp"

namespace berth::daemon {
namespace {

TEST(Loop, RunsWhatIsPostedInOrderAndTicksAfterEachBatch) {
  Loop loop;
  std::vector<int> order;
  int ticks = 0;
  for (int i = 0; i < 3; ++i) loop.post([&order, i] { order.push_back(i); });
  loop.post([&loop] { loop.stop(); });
  loop.run([&](Instant) {
    ++ticks;
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  });
  EXPECT_EQ(ticks, 1);
}

TEST(Loop, WakesAtTheInstantAskedFor) {
  Loop loop;
  const Instant at = loop.now() + milliseconds(20);
  loop.wake_at(at);
  Instant seen{};
  loop.run([&](Instant now) {
    seen = now;
    loop.stop();
  });
  EXPECT_GE(seen, at);
}

TEST(Loop, TakesWorkFromOtherThreadsUntilStopped) {
  Loop loop;
  int count = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&count] { ++count; });
    loop.post([&loop] { loop.stop(); });
  });
  loop.run([](Instant) {});
  other.join();
  EXPECT_EQ(count, 1000);
}

TEST(ForwardClock, FollowsTheWallAndGoesOnWhereThatIsSetBack) {
  using std::chrono::hours;
  using std::chrono::microseconds;
  ForwardClock clock;
  const Instant wall{hours(1000)};
  const ForwardClock::Steady steady{hours(1)};
  EXPECT_EQ(clock.at(wall, steady), wall);
  EXPECT_EQ(clock.at(wall + milliseconds(5), steady + milliseconds(5)), wall + milliseconds(5));
  const Instant ahead = wall + hours(1);
  EXPECT_EQ(clock.at(ahead, steady + milliseconds(6)), ahead);
  // Set back by an hour: a second later it is a second later, in whatever steps it is read.
  for (int i = 1; i <= 2000; ++i) {
    const Instant now = clock.at(wall, steady + milliseconds(6) + i * microseconds(500));
    EXPECT_EQ(now, ahead + milliseconds(i / 2));
  }
  EXPECT_EQ(clock.at(ahead + hours(1), steady + hours(1)), ahead + hours(1));
}

TEST(ForwardClock, GoesOnFromWhereItIsRaisedTo) {
  using std::chrono::hours;
  ForwardClock clock;
  const Instant wall{hours(1000)};
  const ForwardClock::Steady steady{hours(1)};
  (void)clock.at(wall, steady);
  clock.raise(wall + hours(2));
  EXPECT_EQ(clock.at(wall + milliseconds(7), steady + milliseconds(7)),
            wall + hours(2) + milliseconds(7));
  clock.raise(wall);
  EXPECT_EQ(clock.at(wall + milliseconds(9), steady + milliseconds(9)),
            wall + hours(2) + milliseconds(9))
      << "never back";
}

TEST(Loop, GoesOnFromWhereTimeHasBeenAlready) {
  Loop loop;
  const Instant ahead = loop.now() + std::chrono::hours(1);
  loop.not_before(ahead);
  EXPECT_GE(loop.now(), ahead);
  EXPECT_LT(loop.now(), ahead + std::chrono::minutes(30));
}

}  // namespace
}  // namespace berth::daemon
