// SPDX-License-Identifier: Apache-2.0
// A count of the threads that are inside the host, closed once.
//
// Threads: any. A thread that is inside may enter again.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace berth::sdk::detail {

class Gate {
 public:
  // False once closed: the host must not be touched any more. Else leave() must follow.
  [[nodiscard]] bool enter() {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) empty_.notify_all();
  }

  // Lets nobody in any more, and returns when all have left.
  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  std::size_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace berth::sdk::detail
