// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/repository.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "berth/v1/registry.pb.h"
#include "sdk/runtime/http/backoff.hpp"
#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/http/url.hpp"
#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/registry_answer.hpp"

namespace berth::runtime::image {
namespace {

constexpr int kMostEndpoints = 16;

// One place the repository can be pulled from, and the header that it took last.
struct Endpoint {
  std::string url;  // without a slash at its end
  std::string repository;
  std::string ca_pem;
  bool insecure_tls = false;
  bool resolve_tags = false;
  std::mutex mutex;  // held while credentials are fetched: the others wait for the same ones
  std::optional<std::string> header;
};

}  // namespace

class Repository::Impl {
 public:
  Impl(http::Client& client, RegistryAccess& access, Reference reference, RepositoryOptions options)
      : client_(client),
        access_(access),
        reference_(std::move(reference)),
        options_(std::move(options)) {}

  sdk::Result<void> find_endpoints();
  sdk::Result<http::Stream> open(Endpoint& endpoint, http::Request request, std::uint32_t attempts);
  // Tries `call` at each endpoint that may serve it until one succeeds; remembers that one.
  template <typename Value, typename Call>
  sdk::Result<Value> at_each(bool by_digest, Call call);

  [[nodiscard]] http::Request request(const Endpoint& endpoint, const std::string& path) const;
  [[nodiscard]] std::string what(const Endpoint& endpoint) const {
    return endpoint.url + " " + endpoint.repository;
  }
  [[nodiscard]] std::uint32_t attempts_at(bool last) const { return last ? options_.attempts : 2; }

  std::deque<Endpoint> endpoints_;  // never moves: each has a mutex
  const Reference& reference() const { return reference_; }
  const RepositoryOptions& options() const { return options_; }
  std::atomic<std::size_t> preferred_{0};

 private:
  sdk::Result<std::string> header_for(Endpoint& endpoint);
  sdk::Result<std::string> renew(Endpoint& endpoint, const std::string& refused,
                                 const std::string& challenge);
  sdk::Result<std::string> authorize(Endpoint& endpoint, const std::string& refused,
                                     const std::string& challenge);
  template <typename Call>
  auto ask(Call call) -> decltype(call());

  http::Client& client_;
  RegistryAccess& access_;
  Reference reference_;
  RepositoryOptions options_;
};

// A plugin that is being restarted, or an agent whose line is down, is asked again.
template <typename Call>
auto Repository::Impl::ask(Call call) -> decltype(call()) {
  http::Backoff backoff{{.attempts = static_cast<int>(options_.attempts),
                         .first = std::chrono::milliseconds{options_.first_pause_ms}}};
  while (true) {
    auto answer = call();
    if (answer || !answer.error().is_retryable()) return answer;
    if (!backoff.wait(std::chrono::milliseconds{answer.error().retry_after_ms}, options_.cancel)) {
      return answer;
    }
  }
}

sdk::Result<void> Repository::Impl::find_endpoints() {
  v1::MirrorsRequest request;
  request.set_registry(reference_.registry);
  request.set_repository(reference_.repository);
  request.set_by_digest(reference_.by_digest());
  const auto answer = ask([&] { return access_.mirrors(request); });
  if (!answer) return answer.error();
  for (const v1::Endpoint& from : answer->endpoints()) {
    if (static_cast<int>(endpoints_.size()) == kMostEndpoints) break;
    const auto url = http::parse_url(from.url());
    if (!url || !url->query.empty()) {
      return sdk::fail(BERTH_INVALID, "the registry plugin gave an endpoint that is no URL: " +
                                          from.url().substr(0, 200));
    }
    Endpoint& to = endpoints_.emplace_back();
    to.url = from.url();
    while (to.url.ends_with('/')) to.url.pop_back();
    to.repository = from.repository().empty() ? reference_.repository : from.repository();
    to.ca_pem = from.ca_pem();
    to.insecure_tls = from.insecure_tls();
    to.resolve_tags = from.resolve_tags();
  }
  if (!endpoints_.empty()) return {};
  return sdk::fail(BERTH_PRECONDITION, "no registry plugin knows where to pull " +
                                           reference_.registry + "/" + reference_.repository +
                                           " from");
}

sdk::Result<std::string> Repository::Impl::authorize(Endpoint& endpoint, const std::string& refused,
                                                     const std::string& challenge) {
  v1::AuthorizeRequest request;
  request.set_registry(reference_.registry);
  request.set_repository(endpoint.repository);
  request.set_endpoint_url(endpoint.url);
  request.set_challenge(challenge);
  request.set_execution_role_arn(options_.execution_role_arn);
  request.set_credentials(options_.credentials);
  request.set_rejected_header(refused);
  const auto answer = ask([&] { return access_.authorize(request); });
  if (answer) return answer->header();
  // Without credentials nothing can be pulled, whatever kept them away.
  sdk::Error error = answer.error();
  if (!error.is_retryable() && error.status != BERTH_CANCELLED) error.status = BERTH_DENIED;
  error.field = "credentials";
  return error;
}

sdk::Result<std::string> Repository::Impl::header_for(Endpoint& endpoint) {
  const std::lock_guard lock{endpoint.mutex};
  if (endpoint.header) return *endpoint.header;
  auto header = authorize(endpoint, "", "");
  if (header) endpoint.header = *header;
  return header;
}

sdk::Result<std::string> Repository::Impl::renew(Endpoint& endpoint, const std::string& refused,
                                                 const std::string& challenge) {
  const std::lock_guard lock{endpoint.mutex};
  // Another layer's request was refused just before this one, and has a new header already.
  if (endpoint.header && *endpoint.header != refused) return *endpoint.header;
  auto header = authorize(endpoint, refused, challenge);
  if (header) endpoint.header = *header;
  return header;
}

http::Request Repository::Impl::request(const Endpoint& endpoint, const std::string& path) const {
  return {.url = endpoint.url + "/v2/" + endpoint.repository + path,
          .ca_pem = endpoint.ca_pem,
          .insecure_tls = endpoint.insecure_tls,
          .cancel = options_.cancel};
}

// Sends with credentials; what comes back is any answer that is neither a passing fault nor asks
// for credentials.
sdk::Result<http::Stream> Repository::Impl::open(Endpoint& endpoint, http::Request request,
                                                 std::uint32_t attempts) {
  auto header = header_for(endpoint);
  if (!header) return header.error();
  request.authorization = *header;
  bool renewed = false;
  http::Backoff backoff{{.attempts = static_cast<int>(attempts),
                         .first = std::chrono::milliseconds{options_.first_pause_ms}}};
  while (true) {
    auto stream = client_.open(request);
    if (!stream) {
      if (!stream.error().is_retryable() ||
          !backoff.wait(std::chrono::milliseconds{0}, options_.cancel)) {
        return stream;
      }
      continue;
    }
    const http::Response& response = stream->response();
    if (response.status == 401 && !renewed) {
      renewed = true;
      auto fresh = renew(endpoint, request.authorization, challenge_of(response));
      if (!fresh) return fresh.error();
      // Nothing better to offer: the registry's own words are the answer.
      if (*fresh == request.authorization) return stream;
      request.authorization = *fresh;
      continue;
    }
    if (response.is_retryable() && backoff.wait(response.retry_after(), options_.cancel)) continue;
    return stream;
  }
}

template <typename Value, typename Call>
sdk::Result<Value> Repository::Impl::at_each(bool by_digest, Call call) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (by_digest || endpoints_[i].resolve_tags) usable.push_back(i);
  }
  if (usable.empty()) {
    return sdk::fail(BERTH_PRECONDITION, "no endpoint of " + reference_.registry +
                                             " may be asked for tags: only digests can be pulled");
  }
  std::string earlier;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    const bool last = i + 1 == usable.size();
    sdk::Result<Value> value = call(endpoints_[usable[i]], attempts_at(last));
    if (value) {
      preferred_ = usable[i];
      return value;
    }
    if (value.error().status == BERTH_CANCELLED || options_.cancel.stop_requested()) {
      return sdk::fail(BERTH_CANCELLED, "cancelled");
    }
    sdk::Error error = value.error();
    if (last) {
      if (!earlier.empty()) error.message += "; before that, " + earlier;
      return error;
    }
    if (earlier.size() < 1000) earlier += (earlier.empty() ? "" : "; ") + error.message;
  }
  return sdk::fail(BERTH_INTERNAL, "no endpoint was asked");
}

// The blob as it comes; after a broken connection it goes on at the same byte.
class Repository::BlobStream : public ByteSource {
 public:
  BlobStream(Repository::Impl& repository, Endpoint& endpoint, Descriptor blob,
             std::function<void(std::size_t)> on_bytes)
      : repository_(repository),
        endpoint_(endpoint),
        blob_(std::move(blob)),
        on_bytes_(std::move(on_bytes)),
        hasher_(blob_.digest) {}

  sdk::Result<void> start() { return connect(repository_.options().attempts); }

  sdk::Result<std::string_view> read() override {
    if (ended_) return std::string_view{};
    http::Backoff backoff = pauses();
    while (true) {
      auto bytes = stream_->read();
      if (!bytes) {
        if (!bytes.error().is_retryable() || failures_ >= repository_.options().attempts ||
            !backoff.wait(std::chrono::milliseconds{0}, repository_.options().cancel)) {
          return bytes.error();
        }
        ++failures_;
        if (auto again = connect(repository_.options().attempts); !again) return again.error();
        continue;
      }
      std::string_view fresh = *bytes;
      if (fresh.empty()) return end();
      const auto skipped = std::min<std::uint64_t>(skip_, fresh.size());
      fresh.remove_prefix(static_cast<std::size_t>(skipped));
      skip_ -= skipped;
      if (fresh.empty()) continue;
      failures_ = 0;
      offset_ += fresh.size();
      if (offset_ > blob_.size) return wrong_size("more than");
      hasher_.update(fresh);
      if (on_bytes_) on_bytes_(fresh.size());
      return fresh;
    }
  }

 private:
  [[nodiscard]] http::Backoff pauses() const {
    return http::Backoff{
        {.attempts = static_cast<int>(repository_.options().attempts),
         .first = std::chrono::milliseconds{repository_.options().first_pause_ms}}};
  }
  [[nodiscard]] std::string what() const {
    return repository_.what(endpoint_) + ": blob " + blob_.digest;
  }
  [[nodiscard]] sdk::Error wrong_size(std::string_view how) const {
    return sdk::fail(BERTH_INVALID, what() + " has " + std::string{how} + " the " +
                                        std::to_string(blob_.size) + " bytes of its descriptor");
  }

  sdk::Result<void> connect(std::uint32_t attempts) {
    stream_.reset();
    auto request = repository_.request(endpoint_, "/blobs/" + blob_.digest);
    if (offset_ > 0)
      request.headers.emplace_back("Range", "bytes=" + std::to_string(offset_) + "-");
    auto stream = repository_.open(endpoint_, std::move(request), attempts);
    if (!stream) return stream.error();
    const http::Response& response = stream->response();
    if (response.status == 206 && offset_ > 0) {
      if (range_start(response.header("content-range")) != offset_) {
        return sdk::fail(BERTH_INVALID,
                         what() + ": the registry gave another range than asked for");
      }
      skip_ = 0;
    } else if (response.status == 200) {
      skip_ = offset_;  // it does not know ranges: what was read already comes again
    } else {
      return refusal(*stream, what());
    }
    stream_.emplace(std::move(*stream));
    return {};
  }

  sdk::Result<std::string_view> end() {
    ended_ = true;
    if (offset_ < blob_.size) return wrong_size("less than");
    const std::string found = hasher_.finish();
    if (found == blob_.digest) return std::string_view{};
    return sdk::fail(BERTH_INVALID, what() + " has the digest " + found);
  }

  Repository::Impl& repository_;
  Endpoint& endpoint_;
  Descriptor blob_;
  std::function<void(std::size_t)> on_bytes_;
  Hasher hasher_;
  std::optional<http::Stream> stream_;
  std::uint64_t offset_ = 0;    // of the next byte to give
  std::uint64_t skip_ = 0;      // bytes that were given already and come again
  std::uint32_t failures_ = 0;  // since a byte came
  bool ended_ = false;
};

Repository::Repository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Repository::~Repository() = default;

sdk::Result<std::unique_ptr<Repository>> Repository::find(http::Client& client,
                                                          RegistryAccess& access,
                                                          const Reference& reference,
                                                          RepositoryOptions options) {
  auto impl = std::make_unique<Impl>(client, access, reference, std::move(options));
  if (const auto found = impl->find_endpoints(); !found) return found.error();
  return std::unique_ptr<Repository>{new Repository(std::move(impl))};
}

std::size_t Repository::endpoints() const {
  return impl_->endpoints_.size();
}

std::vector<std::size_t> Repository::order() const {
  std::vector<std::size_t> out{impl_->preferred_.load()};
  for (std::size_t i = 0; i < endpoints(); ++i) {
    if (i != out.front()) out.push_back(i);
  }
  return out;
}

sdk::Result<std::string> Repository::resolve() {
  const Reference& reference = impl_->reference();
  return impl_->at_each<std::string>(
      reference.by_digest(),
      [&](Endpoint& endpoint, std::uint32_t attempts) -> sdk::Result<std::string> {
        auto request = impl_->request(endpoint, "/manifests/" + reference.selector());
        request.method = "HEAD";
        request.headers.emplace_back("Accept", kManifestTypes);
        auto stream = impl_->open(endpoint, std::move(request), attempts);
        if (!stream) return stream.error();
        const std::string what = impl_->what(endpoint) + ": manifest " + reference.selector();
        if (stream->response().status != 200) return refusal(*stream, what);
        // To its end, which a HEAD has at once, so that the connection can be used again.
        if (const auto rest = stream->read(); !rest) return rest.error();
        return std::string{stream->response().header("docker-content-digest")};
      });
}

sdk::Result<FetchedManifest> Repository::manifest(std::string_view selector) {
  const bool by_digest = is_digest(selector);
  const auto fetch = [&](Endpoint& endpoint,
                         std::uint32_t attempts) -> sdk::Result<FetchedManifest> {
    const std::string what = impl_->what(endpoint) + ": manifest " + std::string{selector};
    auto request = impl_->request(endpoint, "/manifests/" + std::string{selector});
    request.headers.emplace_back("Accept", kManifestTypes);
    auto stream = impl_->open(endpoint, std::move(request), attempts);
    if (!stream) return stream.error();
    if (stream->response().status != 200) return refusal(*stream, what);
    FetchedManifest out;
    out.content_type = stream->response().header("content-type");
    while (true) {
      const auto bytes = stream->read();
      if (!bytes) return bytes.error();
      if (bytes->empty()) break;
      out.bytes.append(*bytes);
      if (out.bytes.size() > kMaxManifest) {
        return sdk::fail(BERTH_INVALID, what + " is longer than 4 MiB");
      }
    }
    const std::string told{stream->response().header("docker-content-digest")};
    const std::string wanted = by_digest ? std::string{selector} : is_digest(told) ? told : "";
    out.digest = digest_of(out.bytes, wanted);
    if (!wanted.empty() && out.digest != wanted) {
      return sdk::fail(BERTH_INVALID, what + " has the digest " + out.digest + ", not " + wanted);
    }
    return out;
  };
  return impl_->at_each<FetchedManifest>(by_digest, fetch);
}

sdk::Result<std::string> Repository::small_blob(const Descriptor& blob) {
  const auto fetch = [&](Endpoint& endpoint, std::uint32_t) -> sdk::Result<std::string> {
    BlobStream stream{*impl_, endpoint, blob, {}};
    if (const auto started = stream.start(); !started) return started.error();
    std::string out;
    while (true) {
      const auto bytes = stream.read();
      if (!bytes) return bytes.error();
      if (bytes->empty()) return out;
      out.append(*bytes);
    }
  };
  const std::size_t preferred = impl_->preferred_;
  auto first = fetch(impl_->endpoints_[preferred], 0);
  if (first || endpoints() == 1) return first;
  return impl_->at_each<std::string>(true, fetch);
}

sdk::Result<std::unique_ptr<ByteSource>> Repository::blob(
    const Descriptor& blob, std::size_t endpoint, std::function<void(std::size_t)> on_bytes) {
  auto stream = std::make_unique<BlobStream>(*impl_, impl_->endpoints_.at(endpoint), blob,
                                             std::move(on_bytes));
  if (const auto started = stream->start(); !started) return started.error();
  return std::unique_ptr<ByteSource>{std::move(stream)};
}

}  // namespace berth::runtime::image
