// SPDX-License-Identifier: Apache-2.0
// Image manifests, indexes and configurations (OCI 1, Docker v2.2), from a stranger's JSON to
// checked values.
//
// Threads: any; pure functions.
// Errors: INVALID for what is malformed, UNIMPLEMENTED for kinds that cannot be run (schema 1,
// artifacts).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/image.hpp"

namespace berth::runtime::image {

inline constexpr std::size_t kMaxManifest = 4u << 20;
inline constexpr std::size_t kMaxConfig = 8u << 20;

// What Accept asks for: all that parse_manifest takes.
inline constexpr std::string_view kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

struct Descriptor {
  std::string media_type;
  std::string digest;  // is_digest holds
  std::uint64_t size = 0;
  Platform platform{};  // of entries of an index
};

struct Index {
  std::vector<Descriptor> manifests;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
};

struct Configuration {
  ImageConfig config;
  Platform platform;
  std::vector<std::string> diff_ids;  // bottom first
};

// `content_type` of the answer; empty where it had none.
[[nodiscard]] sdk::Result<std::variant<Index, Manifest>> parse_manifest(
    std::string_view json, std::string_view content_type);

[[nodiscard]] sdk::Result<Configuration> parse_configuration(std::string_view json);

// The first entry that runs on `platform`; on arm lower variants do where the same one is missing.
// Errors: NOT_FOUND, naming what the index has.
[[nodiscard]] sdk::Result<Descriptor> choose_platform(const Index& index, const Platform& platform);

}  // namespace berth::runtime::image
