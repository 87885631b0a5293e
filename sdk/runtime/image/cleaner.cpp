// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/cleaner.hpp"

#include <sys/statvfs.h>

#include <condition_variable>
#include <mutex>
#include <utility>

namespace berth::runtime::image {

Cleaner::Cleaner(ImageStore& store, CleaningOptions options, FreePercent free_percent)
    : store_(store), options_(options), free_percent_(std::move(free_percent)) {
  if (options_.interval.count() == 0) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any ended;
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, stop, options_.interval, [&] { return stop.stop_requested(); })) {
      clean();
    }
  });
}

Cleaner::~Cleaner() = default;

std::size_t Cleaner::clean() {
  std::size_t gone = store_.remove_unused(options_.minimum_age, options_.most);
  while (options_.free_percent > 0 && free_percent_() < options_.free_percent) {
    const std::size_t more = store_.remove_unused(std::chrono::seconds{0}, 1);
    if (more == 0) break;
    gone += more;
  }
  return gone;
}

unsigned free_percent_of(const std::string& directory) {
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0 || space.f_blocks == 0) return 100;
  return static_cast<unsigned>(100 * space.f_bavail / space.f_blocks);
}

}  // namespace berth::runtime::image
