// SPDX-License-Identifier: Apache-2.0
// Stops when one of two does.
//
// Threads: any may stop. Valid until: the token, until this ends.
#pragma once

#include <functional>
#include <stop_token>

namespace berth::runtime {

class EitherStop {
 public:
  EitherStop(const std::stop_token& one, const std::stop_token& other)
      : on_one_(one, [this] { stop_.request_stop(); }), on_other_(other, [this] { stop_.request_stop(); }) {}
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_one_;
  std::stop_callback<std::function<void()>> on_other_;
};

}  // namespace berth::runtime
