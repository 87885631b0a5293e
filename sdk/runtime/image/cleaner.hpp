// SPDX-License-Identifier: Apache-2.0
// Takes images away that nobody uses: a few old ones now and then, and all that is needed where the
// disk gets full.
//
// Invariant: what a task holds stays, whatever the disk looks like.
// Threads: any. Owns: a thread, where an interval is set.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>

#include "sdk/runtime/image/image_store.hpp"

namespace berth::runtime::image {

struct CleaningOptions {
  std::chrono::seconds interval{1800};     // 0: never
  std::chrono::seconds minimum_age{3600};  // since the last pull or use of it
  unsigned most = 5;                       // images each time
  // Below so much free space of the store's disk, in percent, neither age nor number matters. 0:
  // off.
  unsigned free_percent = 10;
};

class Cleaner {
 public:
  using FreePercent = std::function<unsigned()>;

  // `store` must outlive it. `free_percent` tells how much of the disk is free.
  Cleaner(ImageStore& store, CleaningOptions options, FreePercent free_percent);
  ~Cleaner();
  Cleaner(const Cleaner&) = delete;
  Cleaner& operator=(const Cleaner&) = delete;

  // What is done each time: the number of images that went.
  std::size_t clean();

 private:
  ImageStore& store_;
  const CleaningOptions options_;
  const FreePercent free_percent_;
  std::jthread thread_;
};

// Of the disk that holds `directory`; 100 where that cannot be told.
[[nodiscard]] unsigned free_percent_of(const std::string& directory);

}  // namespace berth::runtime::image
