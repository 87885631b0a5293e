// SPDX-License-Identifier: Apache-2.0
// Whole images in memory: blobs by digest, and manifests that name them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace berth::test {

inline const std::string kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline const std::string kOciIndex = "application/vnd.oci.image.index.v1+json";
inline const std::string kGzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

struct BuiltLayer {
  std::string blob;     // as the registry has it
  std::string diff_id;  // of the tar
  std::string type = kGzipLayer;
};

struct BuiltImage {
  std::map<std::string, std::string> blobs;  // by digest: layers and configuration
  std::string manifest;
  std::string digest;  // of the manifest
  std::string config_digest;
  std::vector<std::string> layer_digests;
};

[[nodiscard]] BuiltLayer gzip_layer(const std::string& tar);

struct ImageSpec {
  std::vector<BuiltLayer> layers;
  std::string config_json = R"({"Cmd":["/bin/true"]})";  // the "config" member
  std::string architecture = "amd64";
};
[[nodiscard]] BuiltImage build_image(const ImageSpec& spec);

// An index of images, by "os/architecture[/variant]".
[[nodiscard]] std::string build_index(
    const std::vector<std::pair<std::string, BuiltImage>>& images);

}  // namespace berth::test
