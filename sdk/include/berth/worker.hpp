// SPDX-License-Identifier: Apache-2.0
// One thread of a plugin, for work that must not keep the host waiting: a queue, timers, and
// descriptors to wait for.
//
// Invariants: 1. Jobs run one at a time, those posted without delay in their order. 2. The
// destructor drops what has not begun, waits for the running job and joins. Make it the last
// member, so that it ends before what its jobs use. Threads: any. A job may post; it must not
// destroy or stop the worker. Owns: the descriptors given to when_readable.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "berth/host.hpp"

namespace berth::sdk {

class Worker {
 public:
  using Clock = std::chrono::steady_clock;
  using Job = std::function<void()>;

  // `host` hears of a job that throws.
  explicit Worker(Host host) : host_(std::move(host)), wake_(::eventfd(0, EFD_CLOEXEC)) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    stop();
    ::close(wake_);
  }

  // Has `job` run on the thread, which begins with the first one: a constructor stays free of
  // threads.
  void post(Job job) { post_after(Clock::duration::zero(), std::move(job)); }

  void post_after(Clock::duration delay, Job job) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.emplace(Key{Clock::now() + delay, next_++}, std::move(job));
    wake();
  }

  // Has `job` run once when the descriptor is readable (a pidfd: when the process has ended), and
  // then closes it.
  void when_readable(int descriptor, Job job) {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      ::close(descriptor);
      return;
    }
    watched_.emplace_back(descriptor, std::move(job));
    wake();
  }

  // Drops what has not begun and joins; later posts are dropped.
  void stop() {
    std::map<Key, Job> dropped;
    std::vector<std::pair<int, Job>> unwatched;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(jobs_);
      if (thread_.joinable()) wake();
    }
    if (thread_.joinable()) thread_.join();
    unwatched.swap(watched_);
    for (const auto& [descriptor, job] : unwatched) ::close(descriptor);
  }

 private:
  using Key = std::pair<Clock::time_point, std::uint64_t>;

  void wake() {
    if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
    ::eventfd_write(wake_, 1);
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (!jobs_.empty() && jobs_.begin()->first.first <= Clock::now()) {
        auto job = jobs_.extract(jobs_.begin());
        lock.unlock();
        run_job(job.mapped());
        job = {};  // what the job holds goes before the lock is taken
        lock.lock();
      } else {
        wait(lock);
      }
    }
  }

  // Until a post, the next timer, or a descriptor, whose job is then queued.
  void wait(std::unique_lock<std::mutex>& lock) {
    std::vector<pollfd> polled{{wake_, POLLIN, 0}};
    for (const auto& [descriptor, job] : watched_) polled.push_back({descriptor, POLLIN, 0});
    timespec left{};
    const bool timed = !jobs_.empty();
    if (timed) {
      const auto until = std::max(jobs_.begin()->first.first - Clock::now(), Clock::duration(0));
      const auto whole = std::chrono::duration_cast<std::chrono::seconds>(until);
      left.tv_sec = static_cast<time_t>(whole.count());
      left.tv_nsec = static_cast<long>(std::chrono::nanoseconds(until - whole).count());
    }
    lock.unlock();
    const int ready = ::ppoll(polled.data(), polled.size(), timed ? &left : nullptr, nullptr);
    if (ready > 0 && polled[0].revents != 0) {
      eventfd_t count = 0;
      ::eventfd_read(wake_, &count);
    }
    lock.lock();
    if (ready <= 0) return;
    // Only this thread removes, and others add at the end: the positions still fit.
    for (std::size_t i = polled.size() - 1; i > 0; --i) {
      if (polled[i].revents == 0) continue;
      auto it = watched_.begin() + static_cast<std::ptrdiff_t>(i - 1);
      jobs_.emplace(Key{Clock::time_point::min(), next_++}, std::move(it->second));
      ::close(it->first);
      watched_.erase(it);
    }
  }

  void run_job(const Job& job) {
    try {
      job();
    } catch (const std::exception& problem) {
      host_.error(std::string("a job of the plugin threw: ") + problem.what());
    } catch (...) {
      host_.error("a job of the plugin threw");
    }
  }

  Host host_;
  const int wake_;
  std::mutex mutex_;
  std::map<Key, Job> jobs_;
  std::vector<std::pair<int, Job>> watched_;
  std::uint64_t next_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace berth::sdk
