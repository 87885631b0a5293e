// SPDX-License-Identifier: Apache-2.0
// A thread whose jobs may never end.
#include "plugins/gpu/devices/driver_thread.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>

namespace berth::gpu {
namespace {

using std::chrono::milliseconds;

TEST(DriverThread, RunsJobsInTheirOrderAndTheLastOneAtItsEnd) {
  const auto order = std::make_shared<std::string>();
  {
    DriverThread thread(std::chrono::seconds(20), [order](const Alive&) { *order += "z"; });
    for (const char c : {'a', 'b', 'c'}) {
      ASSERT_TRUE(thread.post([order, c](const Alive&) { *order += c; }));
    }
    const auto done = std::make_shared<std::promise<void>>();
    ASSERT_TRUE(thread.post([done](const Alive&) { done->set_value(); }));
    done->get_future().wait();
    EXPECT_FALSE(thread.hangs());
  }
  EXPECT_EQ(*order, "abcz");
}

TEST(DriverThread, HasNoThreadBeforeTheFirstJobAndRunsNoLastOneThen) {
  const auto ran = std::make_shared<bool>(false);
  {
    const DriverThread thread(milliseconds(1), [ran](const Alive&) { *ran = true; });
  }
  EXPECT_FALSE(*ran);
}

TEST(DriverThread, IsLeftBehindByItsEndWhileAJobHangs) {
  struct Hang {
    std::promise<void> begun;
    std::promise<void> go_on;
    std::promise<void> ended;
  };
  const auto hang = std::make_shared<Hang>();
  {
    DriverThread thread(milliseconds(1), [hang](const Alive&) { hang->ended.set_value(); });
    ASSERT_TRUE(thread.post([hang](const Alive&) {
      hang->begun.set_value();
      hang->go_on.get_future().wait();
    }));
    hang->begun.get_future().wait();
    while (!thread.hangs()) std::this_thread::yield();
    EXPECT_FALSE(thread.post([](const Alive&) { FAIL() << "behind one that hangs"; }));
  }
  hang->go_on.set_value();
  hang->ended.get_future().wait();  // it ends by itself once the call has returned
}

TEST(DriverThread, DoesNotHangWhileItsJobShowsLife) {
  DriverThread thread(std::chrono::hours(1));
  const auto half = std::make_shared<std::promise<void>>();
  const auto go_on = std::make_shared<std::promise<void>>();
  ASSERT_TRUE(thread.post([half, go_on](const Alive& alive) {
    alive(std::chrono::hours(1));
    half->set_value();
    go_on->get_future().wait();
  }));
  half->get_future().wait();
  EXPECT_FALSE(thread.hangs());
  go_on->set_value();
}

TEST(DriverThread, RefusesMoreJobsThanCanWait) {
  DriverThread thread(std::chrono::hours(1));
  const auto go_on = std::make_shared<std::promise<void>>();
  const auto future = std::make_shared<std::shared_future<void>>(go_on->get_future());
  int taken = 0;
  while (taken < 1000 && thread.post([future](const Alive&) { future->wait(); })) ++taken;
  EXPECT_GE(taken, 64);
  EXPECT_LT(taken, 1000);
  go_on->set_value();
}

}  // namespace
}  // namespace berth::gpu
