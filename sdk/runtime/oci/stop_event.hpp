// SPDX-License-Identifier: Apache-2.0
// A stop token as something to poll for.
//
// Threads: any may stop.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <stop_token>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

class StopEvent {
 public:
  explicit StopEvent(const std::stop_token& stop)
      : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), on_stop_(stop, [this] {
          const std::uint64_t one = 1;
          [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
        }) {}

  // Readable once it is to stop. Valid until: this ends.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  OwnedFd fd_;
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace berth::runtime
