// SPDX-License-Identifier: Apache-2.0
// What the store remembers of an image, and its form on disk (JSON of our own).
//
// Threads: any; pure functions. Errors: INVALID for damaged records, PRECONDITION for those of
// another version.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/image.hpp"

namespace berth::runtime::image {

struct ImageRecord {
  std::string reference;   // Reference::to_string of what was asked for
  std::string repository;  // "registry/repository"
  Platform platform;       // that was asked for
  std::string digest;      // as referenced
  std::string
      manifest_digest;  // of the platform's manifest; equal to digest where there is no index
  std::string config_digest;
  std::string config;  // its bytes, so that nothing of it is lost
  std::vector<std::string>
      layers;  // diff ids, bottom first, from the lowest that is not hidden whole
  std::vector<DirectoryAttributes> directories{};
  std::uint64_t unpacked_bytes = 0;
  std::int64_t pulled_at = 0;  // seconds since the Unix epoch
  // The same; not in the record, but its file's time: it changes more often than the record should
  // be written.
  std::int64_t used_at = 0;
};

struct LayerRecord {
  std::uint64_t bytes = 0;
  bool opaque = false;
  std::set<std::string> implied{};
  std::string boot{};  // the boot it was written in: after another one it counts only if it is
                       // marked as synced
};

[[nodiscard]] std::string encode(const ImageRecord& record);
[[nodiscard]] std::string encode(const LayerRecord& record);
[[nodiscard]] sdk::Result<ImageRecord> decode_image(std::string_view text);
[[nodiscard]] sdk::Result<LayerRecord> decode_layer(std::string_view text);

}  // namespace berth::runtime::image
