// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/image_builder.hpp"

#include "sdk/runtime/image/digest.hpp"
#include "tests/support/image/tar_builder.hpp"

namespace berth::test {

using runtime::image::digest_of;

BuiltLayer gzip_layer(const std::string& tar) {
  return {gzip(tar), digest_of(tar)};
}

BuiltImage build_image(const ImageSpec& spec) {
  BuiltImage out;
  std::string diff_ids;
  std::string layers;
  for (const BuiltLayer& layer : spec.layers) {
    const std::string digest = digest_of(layer.blob);
    out.blobs[digest] = layer.blob;
    out.layer_digests.push_back(digest);
    diff_ids += (diff_ids.empty() ? "\"" : ",\"") + layer.diff_id + "\"";
    layers += (layers.empty() ? "" : ",") + std::string{R"({"mediaType":")"} + layer.type +
              R"(","digest":")" + digest + R"(","size":)" + std::to_string(layer.blob.size()) + "}";
  }
  const std::string config = R"({"architecture":")" + spec.architecture +
                             R"(","os":"linux","config":)" + spec.config_json +
                             R"(,"rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}";
  out.config_digest = digest_of(config);
  out.blobs[out.config_digest] = config;
  out.manifest =
      R"({"schemaVersion":2,"mediaType":")" + kOciManifest +
      R"(","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
      out.config_digest + R"(","size":)" + std::to_string(config.size()) + R"(},"layers":[)" +
      layers + "]}";
  out.digest = digest_of(out.manifest);
  return out;
}

std::string build_index(const std::vector<std::pair<std::string, BuiltImage>>& images) {
  std::string entries;
  for (const auto& [platform, image] : images) {
    const std::size_t slash = platform.find('/');
    const std::size_t second = platform.find('/', slash + 1);
    entries +=
        (entries.empty() ? "" : ",") + std::string{R"({"mediaType":")"} + kOciManifest +
        R"(","digest":")" + image.digest + R"(","size":)" + std::to_string(image.manifest.size()) +
        R"(,"platform":{"os":")" + platform.substr(0, slash) + R"(","architecture":")" +
        platform.substr(slash + 1, second - slash - 1) + "\"" +
        (second == std::string::npos ? ""
                                     : R"(,"variant":")" + platform.substr(second + 1) + "\"") +
        "}}";
  }
  return R"({"schemaVersion":2,"mediaType":")" + kOciIndex + R"(","manifests":[)" + entries + "]}";
}

}  // namespace berth::test
