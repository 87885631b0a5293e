// SPDX-License-Identifier: Apache-2.0
// A thread for calls into a driver that may never return.
//
// Nothing can end such a call, so the thread may have to be left behind: jobs must own all that
// they use (shared pointers, no references). Threads: any. The destructor waits for a running job
// as long as `patience`, then leaves the thread, which ends by itself should the call return.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

namespace berth::gpu {

// A job says by it, between its calls into the driver, that it goes on; `extra` is what the next
// call may take besides. Valid until: the job ends.
class Alive {
 public:
  explicit Alive(std::function<void(std::chrono::milliseconds)> tell) : tell_(std::move(tell)) {}
  void operator()(std::chrono::milliseconds extra = {}) const { tell_(extra); }

 private:
  std::function<void(std::chrono::milliseconds)> tell_;
};

class DriverThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Job = std::function<void(const Alive&)>;

  // `last` is run at the end, unless a job hangs then.
  explicit DriverThread(std::chrono::milliseconds patience, Job last = {});
  DriverThread(const DriverThread&) = delete;
  DriverThread& operator=(const DriverThread&) = delete;
  ~DriverThread();

  // Runs `job` after those before it; the thread begins with the first one. False, and the job is
  // dropped, while one hangs or many wait.
  [[nodiscard]] bool post(Job job);

  // Whether the running job has shown no life for longer than `patience`.
  [[nodiscard]] bool hangs() const;

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);

  const std::chrono::milliseconds patience_;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace berth::gpu
