// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/plugin_thread.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace berth::runtime {

struct PluginThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> jobs;
  bool ending = false;
  bool ended = false;
};

PluginThread::PluginThread() : state_(std::make_shared<State>()) {
  thread_ = std::thread([state = state_] { run(state); });
}

PluginThread::~PluginThread() {
  end(std::chrono::milliseconds(0));
}

void PluginThread::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [&] { return state->ending || !state->jobs.empty(); });
    if (state->jobs.empty()) break;
    auto job = std::move(state->jobs.front());
    state->jobs.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes without the lock
    lock.lock();
  }
  state->ended = true;
  state->changed.notify_all();
}

void PluginThread::post(std::function<void()> job) {
  const std::lock_guard lock(state_->mutex);
  if (state_->ending) return;
  state_->jobs.push_back(std::move(job));
  state_->changed.notify_all();
}

bool PluginThread::end(std::chrono::milliseconds patience) {
  if (!thread_.joinable()) return true;
  std::unique_lock lock(state_->mutex);
  state_->ending = true;
  state_->changed.notify_all();
  const bool ended = state_->changed.wait_for(lock, patience, [this] { return state_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
  return ended;
}

}  // namespace berth::runtime
