// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/loop.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "core/daemon/forward_clock.hpp"

namespace berth::daemon {

struct Loop::Inside {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  std::optional<Instant> wake;
  bool stopping = false;
  ForwardClock clock;

  // With the lock.
  Instant now() {
    using std::chrono::steady_clock;
    using std::chrono::system_clock;
    const auto wall = std::chrono::time_point_cast<milliseconds>(system_clock::now());
    return clock.at(wall, steady_clock::now());
  }
};

Loop::Loop() : inside_(std::make_unique<Inside>()) {}
Loop::~Loop() = default;

void Loop::post(std::function<void()> work) {
  const std::lock_guard lock(inside_->mutex);
  inside_->queue.push_back(std::move(work));
  inside_->changed.notify_one();
}

Instant Loop::now() {
  const std::lock_guard lock(inside_->mutex);
  return inside_->now();
}

void Loop::not_before(Instant least) {
  const std::lock_guard lock(inside_->mutex);
  (void)inside_->now();
  inside_->clock.raise(least);
}

void Loop::wake_at(Instant at) {
  const std::lock_guard lock(inside_->mutex);
  inside_->wake = at;
  inside_->changed.notify_one();
}

void Loop::run(const std::function<void(Instant)>& tick) {
  std::deque<std::function<void()>> batch;
  for (;;) {
    {
      std::unique_lock lock(inside_->mutex);
      const auto due = [this] {
        return inside_->stopping || !inside_->queue.empty() ||
               (inside_->wake && *inside_->wake <= inside_->now());
      };
      while (!due()) {
        if (inside_->wake) {
          inside_->changed.wait_for(lock, *inside_->wake - inside_->now());
        } else {
          inside_->changed.wait(lock);
        }
      }
      if (inside_->stopping && inside_->queue.empty()) return;
      if (inside_->wake && *inside_->wake <= inside_->now()) inside_->wake.reset();
      batch.swap(inside_->queue);
    }
    for (auto& work : batch) work();
    batch.clear();
    tick(now());
  }
}

void Loop::stop() {
  const std::lock_guard lock(inside_->mutex);
  inside_->stopping = true;
  inside_->changed.notify_one();
}

}  // namespace berth::daemon
