// SPDX-License-Identifier: Apache-2.0
// The growing pauses between attempts of one request.
//
// Threads: one at a time.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string_view>

namespace berth::runtime::http {

struct BackoffOptions {
  int attempts = 5;  // in all, the first included
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds most{8000};
  std::chrono::milliseconds most_asked{60000};  // bound on what a server's Retry-After may ask for
};

class Backoff {
 public:
  explicit Backoff(BackoffOptions options) : options_(options), next_(options.first) {}

  // Waits before the next attempt, at least as long as the server asked. False: no attempt is left,
  // or cancelled.
  [[nodiscard]] bool wait(std::chrono::milliseconds asked, const std::stop_token& cancel);

 private:
  BackoffOptions options_;
  std::chrono::milliseconds next_;
  int done_ = 1;
};

// Retry-After in seconds, or nothing. (Dates are not understood: our own pause does then.)
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value);

// Sleeps that long, or until cancelled; true when the time is over.
bool pause(std::chrono::milliseconds time, const std::stop_token& cancel);

}  // namespace berth::runtime::http
