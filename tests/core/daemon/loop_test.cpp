// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/loop.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

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

}  // namespace
}  // namespace berth::daemon
