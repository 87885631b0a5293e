// SPDX-License-Identifier: Apache-2.0
// One repository as a pull sees it: its endpoints in order, each with its credentials, and the
// distribution protocol.
//
// Every answer is checked before it is given out: manifests and small blobs by digest and size, a
// streamed blob when it ends. Passing faults (429, 5xx, broken connections) are retried with
// growing pauses, a broken download goes on where it broke, and a refused header is renewed once.
// Threads: any; several blobs at a time.
// Errors: NOT_FOUND, DENIED, UNAVAILABLE, INVALID, CANCELLED; messages without ECS's names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/byte_source.hpp"
#include "sdk/runtime/image/manifest.hpp"
#include "sdk/runtime/image/reference.hpp"
#include "sdk/runtime/image/registry_access.hpp"

namespace berth::runtime::http {
class Client;
}

namespace berth::runtime::image {

struct RepositoryOptions {
  std::string execution_role_arn{};
  std::string credentials{};
  std::stop_token cancel{};
  std::uint32_t attempts = 5;          // at the last endpoint that is left; two at the others
  std::uint32_t first_pause_ms = 500;  // between attempts; doubles
};

struct FetchedManifest {
  std::string digest;  // of the bytes
  std::string content_type;
  std::string bytes;
};

class Repository {
 public:
  // Asks for the endpoints. `client` and `access` must outlive it.
  [[nodiscard]] static sdk::Result<std::unique_ptr<Repository>> find(http::Client& client,
                                                                     RegistryAccess& access,
                                                                     const Reference& reference,
                                                                     RepositoryOptions options);
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  // What the registry calls the digest of the reference's tag or digest now; empty where it does
  // not say.
  [[nodiscard]] sdk::Result<std::string> resolve();
  // By tag or digest; a digest is verified.
  [[nodiscard]] sdk::Result<FetchedManifest> manifest(std::string_view selector);
  // The whole blob, in memory.
  [[nodiscard]] sdk::Result<std::string> small_blob(const Descriptor& blob);

  [[nodiscard]] std::size_t endpoints() const;
  // The blob as a stream from one endpoint. `on_bytes` hears of each piece. Must not outlive this.
  [[nodiscard]] sdk::Result<std::unique_ptr<ByteSource>> blob(
      const Descriptor& blob, std::size_t endpoint, std::function<void(std::size_t)> on_bytes);
  // The endpoints to try for a blob, that which gave the manifest first.
  [[nodiscard]] std::vector<std::size_t> order() const;

 private:
  class Impl;
  class BlobStream;
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime::image
