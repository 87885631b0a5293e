// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/exit_watcher.hpp"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

namespace berth::runtime {
namespace {

constexpr std::uint64_t kWake = 0;
constexpr std::chrono::milliseconds kAgain{1'000};

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

void ExitWatcher::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void ExitWatcher::add(Begin begin, Ended ended) {
  const auto item = std::make_shared<Item>(Item{std::move(begin), std::move(ended)});
  std::uint64_t key = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    key = next_key_++;
    items_.emplace(key, item);
  }
  this->begin(key, item);
}

// Nobody else looks at the item meanwhile: it is neither armed nor postponed.
void ExitWatcher::begin(std::uint64_t key, const std::shared_ptr<Item>& item) {
  auto watch = item->begin();
  if (!watch && watch.error().status == BERTH_UNAVAILABLE) return postpone(key, watch.error());
  if (!watch) {
    spdlog::warn("tasks: a container is gone: {}", watch.error().message);
    return finish(key, std::nullopt);
  }
  item->watch.emplace(std::move(*watch));
  bool armed = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    armed = arm(key, item->watch->fd());
  }
  if (!armed) postpone(key, sdk::fail(BERTH_UNAVAILABLE, "it cannot be waited for"));
}

void ExitWatcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake();
  thread_.join();
  {
    const std::lock_guard lock(mutex_);
    items_.clear();
  }
  ::close(epoll_);
  ::close(wake_);
}

void ExitWatcher::postpone(std::uint64_t key, const sdk::Error& why) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (later_.empty()) spdlog::warn("tasks: whether a container runs cannot be told now: {}", why.message);
  later_.insert(key);
  wake();
}

void ExitWatcher::finish(std::uint64_t key, const std::optional<ContainerExit>& exit) {
  std::shared_ptr<Item> item;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(key);
    if (found == items_.end()) return;
    item = std::move(found->second);
    items_.erase(found);
  }
  item->ended(exit);
}

void ExitWatcher::look(std::uint64_t key) {
  std::shared_ptr<Item> item;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(key);
    if (found == items_.end()) return;
    item = found->second;
  }
  if (!item->watch) return begin(key, item);
  const auto exit = item->watch->poll();
  if (!exit && exit.error().status == BERTH_UNAVAILABLE) return postpone(key, exit.error());
  if (exit && !*exit) {
    if (!arm(key, item->watch->fd())) {
      postpone(key, sdk::fail(BERTH_UNAVAILABLE, "it cannot be waited for"));
    }
    return;
  }
  finish(key, exit ? *exit : std::nullopt);
}

void ExitWatcher::run() {
  std::array<epoll_event, 64> events{};
  auto again_at = std::chrono::steady_clock::now();
  for (;;) {
    bool any_later = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      any_later = !later_.empty();
    }
    const int timeout = any_later ? static_cast<int>(kAgain.count()) : -1;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
      std::uint64_t number = 0;
      if (key != kWake) {
        look(key);
      } else if (::read(wake_, &number, sizeof number) > 0) {
        again_at = std::chrono::steady_clock::now() + kAgain;
      }
    }
    if (!any_later || std::chrono::steady_clock::now() < again_at) continue;
    std::set<std::uint64_t> again;
    {
      const std::lock_guard lock(mutex_);
      again.swap(later_);
    }
    for (const std::uint64_t key : again) look(key);
  }
}

}  // namespace berth::runtime
