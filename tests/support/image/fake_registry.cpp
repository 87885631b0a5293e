// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/fake_registry.hpp"

#include "sdk/runtime/image/digest.hpp"

namespace berth::test {

FakeRegistry::FakeRegistry()
    : server_([this](const HttpRequest& request) { return answer(request); }) {}

void FakeRegistry::push(const std::string& repository, const std::string& tag,
                        const BuiltImage& image) {
  for (const auto& [digest, bytes] : image.blobs) put_blob(digest, bytes);
  put_manifest(repository, image.digest, image.manifest, kOciManifest);
  if (!tag.empty()) put_manifest(repository, tag, image.manifest, kOciManifest);
}

void FakeRegistry::put_manifest(const std::string& repository, const std::string& selector,
                                const std::string& bytes, const std::string& type) {
  const std::lock_guard lock{mutex_};
  manifests_[repository + ":" + selector] = {type, bytes};
}

void FakeRegistry::put_blob(const std::string& digest, const std::string& bytes) {
  const std::lock_guard lock{mutex_};
  blobs_[digest] = bytes;
}

void FakeRegistry::intercept(std::function<std::optional<HttpReply>(const HttpRequest&)> hook) {
  const std::lock_guard lock{mutex_};
  hook_ = std::move(hook);
}

std::size_t FakeRegistry::count(const std::string& method, const std::string& part) const {
  std::size_t out = 0;
  for (const HttpRequest& request : server_.requests()) {
    if (request.method == method && request.target.find(part) != std::string::npos) ++out;
  }
  return out;
}

HttpReply FakeRegistry::answer(const HttpRequest& request) {
  std::function<std::optional<HttpReply>(const HttpRequest&)> hook;
  {
    const std::lock_guard lock{mutex_};
    hook = hook_;
  }
  if (hook) {
    if (auto reply = hook(request)) return *reply;
  }
  const std::lock_guard lock{mutex_};
  const std::string& target = request.target;
  if (const std::size_t at = target.find("/manifests/");
      target.starts_with("/v2/") && at != std::string::npos) {
    const auto it = manifests_.find(target.substr(4, at - 4) + ":" + target.substr(at + 11));
    if (it != manifests_.end()) {
      return {.headers = {{"Content-Type", it->second.first},
                          {"Docker-Content-Digest", runtime::image::digest_of(it->second.second)}},
              .body = it->second.second};
    }
    return {.status = 404,
            .body = R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"};
  }
  if (const std::size_t at = target.find("/blobs/"); at != std::string::npos) {
    const auto it = blobs_.find(target.substr(at + 7));
    if (it != blobs_.end()) {
      const std::string range = request.header("range");
      if (!range.starts_with("bytes=")) return {.body = it->second};
      const std::size_t from = std::stoul(range.substr(6));
      return {.status = 206,
              .headers = {{"Content-Range", "bytes " + std::to_string(from) + "-" +
                                                std::to_string(it->second.size() - 1) + "/" +
                                                std::to_string(it->second.size())}},
              .body = it->second.substr(from)};
    }
  }
  return {.status = 404,
          .body = R"({"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]})"};
}

sdk::Result<v1::MirrorsResponse> TableAccess::mirrors(const v1::MirrorsRequest&) {
  v1::MirrorsResponse out;
  for (std::size_t i = 0; i < urls_.size(); ++i) {
    auto* endpoint = out.add_endpoints();
    endpoint->set_url(urls_[i]);
    endpoint->set_resolve_tags(mirrors_resolve_tags || i + 1 == urls_.size());
  }
  return out;
}

sdk::Result<v1::AuthorizeResponse> TableAccess::authorize(const v1::AuthorizeRequest& request) {
  ++authorized;
  v1::AuthorizeResponse out;
  if (on_authorize) {
    auto header = on_authorize(request);
    if (!header) return header.error();
    out.set_header(*header);
  }
  return out;
}

}  // namespace berth::test
