// SPDX-License-Identifier: Apache-2.0
// Manifests, indexes and configurations of any bytes: every digest that comes out is one.
#include <cstdlib>

#include "sdk/runtime/image/manifest.hpp"
#include "sdk/runtime/image/records.hpp"
#include "sdk/runtime/image/reference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth::runtime::image;  // NOLINT
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto parsed = parse_manifest(text, "")) {
    if (const auto* index = std::get_if<Index>(&*parsed)) {
      const auto chosen = choose_platform(*index, {"linux", "amd64"});
      if (chosen && !is_digest(chosen->digest)) abort();
    } else {
      const auto& manifest = std::get<Manifest>(*parsed);
      if (!is_digest(manifest.config.digest) || manifest.config.size > kMaxConfig) abort();
      for (const auto& layer : manifest.layers) {
        if (!is_digest(layer.digest)) abort();
      }
    }
  }
  if (const auto parsed = parse_configuration(text)) {
    for (const auto& id : parsed->diff_ids) {
      if (!is_digest(id)) abort();
    }
  }
  (void)decode_image(text);
  (void)decode_layer(text);
  return 0;
}
