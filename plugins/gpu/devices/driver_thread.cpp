// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/driver_thread.hpp"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <utility>

namespace berth::gpu {
namespace {

constexpr std::size_t kMaxWaiting = 64;

}  // namespace

struct DriverThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> waiting;
  Job last;
  std::optional<Clock::time_point> running_since;
  bool stopping = false;
  bool ended = false;
};

DriverThread::DriverThread(std::chrono::milliseconds patience, Job last)
    : patience_(patience), state_(std::make_shared<State>()) {
  state_->last = std::move(last);
}

DriverThread::~DriverThread() {
  std::deque<Job> dropped;
  bool ended = true;
  {
    std::unique_lock lock(state_->mutex);
    dropped.swap(state_->waiting);
    state_->stopping = true;
    state_->changed.notify_all();
    if (thread_.joinable()) {
      ended = state_->changed.wait_for(lock, patience_, [this] { return state_->ended; });
    }
  }
  if (!thread_.joinable()) return;
  ended ? thread_.join() : thread_.detach();
}

bool DriverThread::post(Job job) {
  const std::lock_guard lock(state_->mutex);
  const auto& since = state_->running_since;
  if (since && Clock::now() - *since > patience_) return false;
  if (state_->stopping || state_->waiting.size() >= kMaxWaiting) return false;
  state_->waiting.push_back(std::move(job));
  state_->changed.notify_all();
  if (!thread_.joinable()) {
    // Signals are the host's business, on threads of its own.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([state = state_] { run(state); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  return true;
}

bool DriverThread::hangs() const {
  const std::lock_guard lock(state_->mutex);
  const auto& since = state_->running_since;
  return since && Clock::now() - *since > patience_;
}

void DriverThread::run(const std::shared_ptr<State>& state) {
  const Alive alive([&state](std::chrono::milliseconds extra) {
    const std::lock_guard lock(state->mutex);
    state->running_since = Clock::now() + extra;
  });
  std::unique_lock lock(state->mutex);
  while (!state->stopping) {
    if (state->waiting.empty()) {
      state->changed.wait(lock);
      continue;
    }
    Job job = std::move(state->waiting.front());
    state->waiting.pop_front();
    state->running_since = Clock::now();
    lock.unlock();
    job(alive);
    job = {};  // what it holds goes outside of the lock
    lock.lock();
    state->running_since.reset();
  }
  if (state->last) {
    lock.unlock();
    state->last(alive);
    lock.lock();
  }
  state->ended = true;
  state->changed.notify_all();
}

}  // namespace berth::gpu
