// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/http/backoff.hpp"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <random>

namespace berth::runtime::http {

bool Backoff::wait(std::chrono::milliseconds asked, const std::stop_token& cancel) {
  if (done_ >= options_.attempts || cancel.stop_requested()) return false;
  ++done_;
  // Up to a fifth more, so that hosts that failed together do not come back together.
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto extra = std::uniform_int_distribution<long>{0, next_.count() / 5}(random);
  const auto own = next_ + std::chrono::milliseconds{extra};
  next_ = std::min(next_ * 2, options_.most);
  return pause(std::max(own, std::min(asked, options_.most_asked)), cancel);
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value) {
  long seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size() || seconds < 0) return {};
  return std::chrono::seconds{std::min(seconds, 86400L)};
}

bool pause(std::chrono::milliseconds time, const std::stop_token& cancel) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  return !wake.wait_for(lock, cancel, time, [&] { return cancel.stop_requested(); });
}

}  // namespace berth::runtime::http
