// SPDX-License-Identifier: Apache-2.0
#include "bench/pull/blobs.hpp"

#include <variant>

#include "sdk/runtime/image/reference.hpp"

namespace berth::bench {

namespace image = runtime::image;
namespace http = runtime::http;

namespace {

constexpr std::size_t kMostBlob = std::size_t{1} << 30;

sdk::Result<std::string> get(http::Client& client, const std::string& url,
                             std::string_view accept) {
  http::Request request{.url = url, .max_body = kMostBlob};
  if (!accept.empty()) request.headers.emplace_back("Accept", accept);
  auto response = client.fetch(request);
  if (!response) return response.error();
  if (response->status != 200) {
    return sdk::fail(BERTH_NOT_FOUND, url + ": HTTP " + std::to_string(response->status));
  }
  return std::move(response->body);
}

}  // namespace

sdk::Result<Layers> find_layers(http::Client& client, const std::string& name) {
  const auto reference = image::parse_reference(name);
  if (!reference) return reference.error();
  const std::string root = "http://" + reference->registry + "/v2/" + reference->repository;
  const auto bytes =
      get(client, root + "/manifests/" + reference->selector(), image::kManifestTypes);
  if (!bytes) return bytes.error();
  auto parsed = image::parse_manifest(*bytes, "");
  if (!parsed) return parsed.error();
  auto* manifest = std::get_if<image::Manifest>(&*parsed);
  if (!manifest) return sdk::fail(BERTH_INVALID, name + " is an index, not an image");
  const auto config = get(client, root + "/blobs/" + manifest->config.digest, "");
  if (!config) return config.error();
  auto configuration = image::parse_configuration(*config);
  if (!configuration) return configuration.error();
  return Layers{root + "/blobs/", std::move(manifest->layers), std::move(configuration->diff_ids)};
}

sdk::Result<std::string> fetch(http::Client& client, const Layers& layers,
                               const image::Descriptor& blob) {
  return get(client, layers.base + blob.digest, "");
}

}  // namespace berth::bench
