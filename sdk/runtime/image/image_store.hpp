// SPDX-License-Identifier: Apache-2.0
// The images of one host: pulls them, keeps each layer once, unpacked, and removes only what nobody
// holds.
//
// Invariants: 1. A layer's directory appears under its final name only once its blob had the right
// size and digest and its
//   tar the right diff id. 2. Nothing outside the store's directory is ever written. 3. An image
//   that is held, or being pulled, keeps its layers. 4. What survives a crash is whole: leftovers
//   are swept at open.
// Threads: any; several pulls at a time share layers that they have in common.
// Errors: Error.reason is ECS's name ("CannotPullContainerError", "CannotPullContainerAuthError",
//   "CannotPullECRContainerError", "CannotPullImageManifestError") and the message is "<name>:
//   <why>", fit for a container's `reason`. Status: NOT_FOUND no such image or tag, DENIED
//   credentials, UNAVAILABLE the registry, INVALID an image that is wrong or hostile, NO_CAPACITY
//   disk full or over a limit, CANCELLED.
// Owns: its directory. One store a directory: open refuses one that another process has open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/image.hpp"
#include "sdk/runtime/image/registry_access.hpp"

namespace berth::runtime::image {

// What one image may cost. All are bounds on hostile images, far above honest ones.
struct PullLimits {
  std::uint64_t unpacked_bytes = std::uint64_t{64} << 30;  // of all its layers' tars together
  std::uint64_t entries = 4'000'000;                       // of all its layers together
  std::uint32_t layers = 127;
};

// How far a pull is. Bytes are compressed ones, of the layers that are fetched, known once the
// manifest is.
struct PullProgress {
  std::uint32_t layers_done = 0;
  std::uint32_t layers_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
};

// ECS_IMAGE_PULL_BEHAVIOR.
enum class PullBehaviour {
  Default,       // ask the registry; where that fails, a local copy does
  Always,        // ask the registry; fail where that fails
  Once,          // ask only if this host has not got it from there since it was last removed
  PreferCached,  // ask only if it is not here
};

struct PullOptions {
  Platform platform = Platform::host();
  PullBehaviour behaviour = PullBehaviour::Default;
  std::string pinned_digest{};  // the core's pin: fetched instead of the tag; must not contradict a
                                // digest in the name
  std::string execution_role_arn{};  // for the registry plugin
  std::string credentials{};  // repositoryCredentials.credentialsParameter, for the registry plugin
  std::string
      holder{};  // where set, the image is held under this name before pull returns (see hold)
  PullLimits limits{};
  std::function<void(const PullProgress&)>
      on_progress{};  // from the pull's threads, one at a time; quick
  std::function<void(const std::string& digest)>
      on_resolved{};  // the digest of the manifest is known, layers follow
  std::stop_token cancel{};
};

struct StoreOptions {
  std::uint32_t concurrent_layers = 4;  // fetched and unpacked at a time, over all pulls
};

// One name under which the store has an image.
struct StoredImage {
  std::string reference;
  std::string digest;                // of the manifest or index that the reference named
  std::string id;                    // digest of the configuration
  std::string platform;              // that was asked for: "linux/amd64"
  std::uint64_t bytes = 0;           // of its layers' tars
  std::uint64_t unique_bytes = 0;    // of those of them that no other image has
  std::int64_t pulled_at = 0;        // seconds since the epoch; or found to be up to date
  std::int64_t used_at = 0;          // the same; pulled, or let go by a holder
  std::vector<std::string> holders;  // sorted
};

struct Pruned {
  std::vector<std::string> references;
  std::uint64_t bytes = 0;  // of the layers' tars that went
};

class ImageStore {
 public:
  // Opens or makes the store in `directory` (absolute) and sweeps what a crash left.
  [[nodiscard]] static sdk::Result<std::unique_ptr<ImageStore>> open(std::string directory,
                                                                     StoreOptions options = {});
  ~ImageStore();
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;

  // Brings the image here, or finds that it is. Blocks; end it early by options.cancel.
  [[nodiscard]] sdk::Result<Image> pull(std::string_view reference, RegistryAccess& access,
                                        const PullOptions& options);

  // The local image of that name and platform, where there is a whole one. Asks nobody.
  [[nodiscard]] std::optional<Image> find(std::string_view reference,
                                          const Platform& platform = Platform::host()) const;

  // Keeps an image's layers until release(holder), also over kill -9 of this process: containers
  // outlive the agent. `holder` is a name of [A-Za-z0-9_.-]{1,200}, e.g. a container's id; holding
  // again replaces.
  [[nodiscard]] sdk::Result<void> hold(const Image& image, std::string_view holder);
  // Unknown holders are ignored.
  void release(std::string_view holder);
  // Sorted; for releasing after a restart what no longer lives.
  [[nodiscard]] std::vector<std::string> holders() const;
  // What that holder holds, e.g. for the tasks found again after a restart.
  [[nodiscard]] std::optional<Image> held(std::string_view holder) const;

  // All that is here, by reference and platform; last what is held although its name has become
  // another image's, as "registry/repository@digest".
  [[nodiscard]] std::vector<StoredImage> list() const;

  // The layers' tars, each counted once.
  [[nodiscard]] std::uint64_t stored_bytes() const;

  // Removes up to max_images images, least recently used first, that nobody holds and nobody
  // used or pulled within min_age; with them the layers that no image needs.
  Pruned prune(std::chrono::seconds min_age, std::size_t max_images);
  // The same; how many images went.
  std::size_t remove_unused(std::chrono::seconds min_age, std::size_t max_images);

 private:
  class Impl;
  explicit ImageStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime::image
