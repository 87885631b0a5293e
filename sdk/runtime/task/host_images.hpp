// SPDX-License-Identifier: Apache-2.0
// The images of this host for those who look after it: what is here, pulls ahead of tasks, removal
// of what no task uses.
//
// Invariants: 1. What a container of a task holds is never removed. 2. A pull goes on when the call
// that began it ends, and ends with this object.
// Threads: any. Owns: a thread for each pull that is under way.
// Errors: INVALID for a reference or an id that is none, or an id that named another pull;
// UNAVAILABLE with too many pulls at a time, and after close(); CANCELLED.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/image/image_store.hpp"

namespace berth::runtime {

class HostImages {
 public:
  struct Options {
    image::PullBehaviour behaviour = image::PullBehaviour::Default;
    std::chrono::seconds minimum_age{3600};  // of what prune() removes where it is not told
    unsigned max_gib = 64;                   // unpacked
    std::string directory{};                 // the store's
    std::size_t pulls = 8;                   // at a time
  };

  // Both must outlive it.
  HostImages(image::ImageStore& store, image::RegistryAccess& registry, Options options);
  ~HostImages() { close(); }
  HostImages(const HostImages&) = delete;
  HostImages& operator=(const HostImages&) = delete;

  // As ImageStore::pull, and where the disk is full once more without the images that nobody uses.
  [[nodiscard]] sdk::Result<image::Image> fetch(const std::string& reference,
                                                const image::PullOptions& options);

  [[nodiscard]] v1::ListImagesResponse list() const;

  // Begins that pull, or finds it by its id, and waits for its end or the request's wait_ms.
  [[nodiscard]] sdk::Result<v1::PullImageResponse> pull(const v1::PullImageRequest& request,
                                                        const std::stop_token& cancel);

  [[nodiscard]] v1::PruneImagesResponse prune(const v1::PruneImagesRequest& request);

  // Cancels the pulls and waits for them.
  void close();

 private:
  struct Pull;
  void carry_out(Pull& pull, const v1::PullImageRequest& request);
  void drop_old();

  image::ImageStore& store_;
  image::RegistryAccess& registry_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool closed_ = false;
  std::map<std::string, std::shared_ptr<Pull>> pulls_;  // by id
};

}  // namespace berth::runtime
