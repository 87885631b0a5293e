// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/exit_watcher.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace berth::runtime {
namespace {

constexpr std::uint64_t kWake = 0;

}  // namespace

ExitWatcher::ExitWatcher()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWake;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  thread_ = std::thread([this] { run(); });
}

// One shot, so that an end is looked at once, and a watch may change its descriptor in between.
bool ExitWatcher::arm(std::uint64_t key, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = key;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0 || ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0;
}

void ExitWatcher::add(ExitWatch watch, Ended ended) {
  const auto item = std::make_shared<Item>(Item{std::move(watch), std::move(ended)});
  std::uint64_t key = 0;
  bool armed = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    key = next_key_++;
    items_.emplace(key, item);
    armed = arm(key, item->watch.fd());
    if (!armed) items_.erase(key);
  }
  if (!armed) item->ended(std::nullopt);
}

void ExitWatcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  thread_.join();
  items_.clear();
  ::close(epoll_);
  ::close(wake_);
}

void ExitWatcher::look(std::uint64_t key) {
  std::shared_ptr<Item> item;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(key);
    if (found == items_.end()) return;
    item = found->second;
  }
  auto exit = item->watch.poll();
  if (exit && !*exit && arm(key, item->watch.fd())) return;
  {
    const std::lock_guard lock(mutex_);
    items_.erase(key);
  }
  item->ended(exit ? *exit : std::nullopt);
}

void ExitWatcher::run() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
      if (key == kWake) return;
      look(key);
    }
  }
}

}  // namespace berth::runtime
