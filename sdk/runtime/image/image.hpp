// SPDX-License-Identifier: Apache-2.0
// An image on this host: its names, its unpacked layers, and what its configuration says.
//
// Threads: plain values. Valid until: the layers' directories exist as long as somebody holds the
// image (ImageStore).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace berth::runtime::image {

// What an image is made for, in the words of image indexes ("linux", "amd64", "arm64", "v8").
struct Platform {
  std::string os = "linux";
  std::string architecture;
  std::string variant{};

  // This machine's.
  [[nodiscard]] static Platform host();
  // "linux/arm64/v8"
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Platform&) const = default;
};

// The part of the image's configuration that containers are made from. Nothing is merged with the
// task definition yet.
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;            // "NAME=value", in the image's order
  std::string user;                        // as resolve_user takes it; empty: root
  std::string working_dir;                 // empty: "/"
  std::string stop_signal;                 // "SIGTERM", "15"; empty: the default
  std::vector<std::string> volumes;        // paths, sorted
  std::vector<std::string> exposed_ports;  // "80/tcp", sorted
  std::map<std::string, std::string> labels;
};

// A directory whose attributes come from a lower layer, because the layer that it lies in did not
// describe it.
struct DirectoryAttributes {
  std::string path;  // relative to the root, parents first
  std::uint32_t mode = 0755;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

struct Image {
  std::string reference;  // as it was asked for
  std::string digest;  // of the manifest or index as referenced in the registry: ECS's imageDigest
  std::string id;      // digest of the configuration: ECS's ImageID
  Platform platform;   // as the configuration has it
  ImageConfig config;
  std::vector<std::string> layers;                 // absolute directories, bottom first
  std::vector<DirectoryAttributes> directories{};  // mount_rootfs makes them so
  std::uint64_t unpacked_bytes = 0;
  std::string pull_error{};  // after pull: why a local copy had to do; empty otherwise
};

}  // namespace berth::runtime::image
