// SPDX-License-Identifier: Apache-2.0
// The layers of one image at a plain HTTP registry, whole in memory.
//
// Threads: any. Errors: as http::Client and parse_manifest.
#pragma once

#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/image/manifest.hpp"

namespace berth::bench {

struct Layers {
  std::string base;  // URL of the repository's blobs, ending with '/'
  std::vector<runtime::image::Descriptor> blobs;
  std::vector<std::string> diff_ids;
};

// `image`: "HOST:PORT/NAME:TAG", at a registry without TLS and credentials.
[[nodiscard]] sdk::Result<Layers> find_layers(runtime::http::Client& client,
                                              const std::string& image);
[[nodiscard]] sdk::Result<std::string> fetch(runtime::http::Client& client, const Layers& layers,
                                             const runtime::image::Descriptor& blob);

}  // namespace berth::bench
