// SPDX-License-Identifier: Apache-2.0
// One thread of a plugin, for work that must not keep the host waiting: a queue, and timers.
//
// Invariants: 1. Jobs run one at a time, those posted without delay in their order. 2. The
// destructor drops what has not begun, waits for the running job and joins. Make it the last
// member, so that it ends before what its jobs use. Threads: any. A job may post; it must not
// destroy the worker.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "berth/host.hpp"

namespace berth::sdk {

class Worker {
 public:
  using Clock = std::chrono::steady_clock;

  // `host` hears of a job that throws.
  explicit Worker(Host host) : host_(std::move(host)) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  // Has `job` run on the thread, which begins with the first one: a constructor stays free of
  // threads.
  void post(std::function<void()> job) { post_after(Clock::duration::zero(), std::move(job)); }

  void post_after(Clock::duration delay, std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.emplace(Key{Clock::now() + delay, next_++}, std::move(job));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_one();
  }

  // Drops what has not begun and joins; later posts are dropped.
  void stop() {
    std::map<Key, std::function<void()>> dropped;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(jobs_);
      changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Key = std::pair<Clock::time_point, std::uint64_t>;

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (jobs_.empty()) {
        changed_.wait(lock);
      } else if (const auto due = jobs_.begin()->first.first; due > Clock::now()) {
        changed_.wait_until(lock, due);
      } else {
        auto job = jobs_.extract(jobs_.begin());
        lock.unlock();
        try {
          job.mapped()();
        } catch (const std::exception& problem) {
          host_.error(std::string("a job of the plugin threw: ") + problem.what());
        } catch (...) {
          host_.error("a job of the plugin threw");
        }
        job = {};  // what the job holds goes before the lock is taken
        lock.lock();
      }
    }
  }

  Host host_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::function<void()>> jobs_;
  std::uint64_t next_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace berth::sdk
