// SPDX-License-Identifier: Apache-2.0
// A registry in memory that can be told to misbehave, and the plugin's answers as a table.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/registry.pb.h"
#include "sdk/runtime/image/registry_access.hpp"
#include "tests/support/image/http_server.hpp"
#include "tests/support/image/image_builder.hpp"

namespace berth::test {

class FakeRegistry {
 public:
  FakeRegistry();

  // Everything that the image needs, its manifest under `tag` and under its digest.
  void push(const std::string& repository, const std::string& tag, const BuiltImage& image);
  void put_manifest(const std::string& repository, const std::string& selector,
                    const std::string& bytes, const std::string& type);
  void put_blob(const std::string& digest, const std::string& bytes);

  // Is asked first; answers where it gives something.
  void intercept(std::function<std::optional<HttpReply>(const HttpRequest&)> hook);

  [[nodiscard]] HttpServer& server() { return server_; }
  [[nodiscard]] std::string host() const { return server_.host(); }
  [[nodiscard]] std::size_t count(const std::string& method, const std::string& part) const;

 private:
  HttpReply answer(const HttpRequest& request);

  std::mutex mutex_;
  std::function<std::optional<HttpReply>(const HttpRequest&)> hook_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, std::pair<std::string, std::string>>
      manifests_;      // "repository:selector" -> type, bytes
  HttpServer server_;  // last: it calls into the others
};

// Endpoints in order, headers by a function of the request.
class TableAccess : public runtime::image::RegistryAccess {
 public:
  explicit TableAccess(std::vector<std::string> urls) : urls_(std::move(urls)) {}

  std::function<sdk::Result<std::string>(const v1::AuthorizeRequest&)> on_authorize;
  bool mirrors_resolve_tags = true;  // all but the last, which always does
  std::atomic<int> authorized{0};

  sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest& request) override;
  sdk::Result<v1::AuthorizeResponse> authorize(const v1::AuthorizeRequest& request) override;

 private:
  std::vector<std::string> urls_;
};

}  // namespace berth::test
