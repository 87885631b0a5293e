// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/plugin_loop.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace berth::runtime {

struct PluginLoop::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  bool stopping = false;
};

PluginLoop::PluginLoop() : state_(std::make_shared<State>()) {}

loading::Instant PluginLoop::now() {
  return loading::Instant(std::chrono::duration_cast<loading::milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

loading::Post PluginLoop::post() const {
  return [state = state_](std::function<void()> work) {
    const std::lock_guard lock(state->mutex);
    if (state->stopping) return;
    state->work.push_back(std::move(work));
    state->changed.notify_one();
  };
}

void PluginLoop::start(Tick tick) {
  thread_ = std::thread([state = state_, tick = std::move(tick)] { run(state, tick); });
}

void PluginLoop::stop() {
  std::deque<std::function<void()>> left;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    left.swap(state_->work);
    state_->changed.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void PluginLoop::run(const std::shared_ptr<State>& state, const Tick& tick) {
  std::unique_lock lock(state->mutex);
  while (!state->stopping) {
    if (!state->work.empty()) {
      auto work = std::move(state->work.front());
      state->work.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
      continue;
    }
    lock.unlock();
    const auto next = tick(now());
    lock.lock();
    const auto ready = [&] { return state->stopping || !state->work.empty(); };
    if (!next) {
      state->changed.wait(lock, ready);
      continue;
    }
    // A millisecond more: what is due at `next` is due when its millisecond is over.
    const auto patience = *next - now() + loading::milliseconds(1);
    state->changed.wait_for(lock, patience, ready);
  }
}

}  // namespace berth::runtime
