// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/token_fetch.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <optional>

#include "sdk/runtime/http/backoff.hpp"
#include "sdk/runtime/http/url.hpp"

namespace berth::registry_ecr {
namespace {

namespace http = runtime::http;
namespace json = boost::json;

constexpr std::size_t kMaxAnswer = 1u << 20;
constexpr std::size_t kMaxToken = 64u << 10;
constexpr auto kEcrLife = std::chrono::hours{12};

// Sends, and again where the fault may pass; three attempts, within the time that a host waits.
sdk::Result<http::Response> send(http::Client& client, http::Request request,
                                 const std::stop_token& stop) {
  request.max_body = kMaxAnswer;
  request.connect_timeout = std::chrono::seconds{5};
  request.stall_timeout = std::chrono::seconds{10};
  request.cancel = stop;
  http::Backoff backoff{{.attempts = 3,
                         .first = std::chrono::milliseconds{300},
                         .most_asked = std::chrono::milliseconds{5000}}};
  while (true) {
    auto answer = client.fetch(request);
    const bool passing = answer ? answer->is_retryable() : answer.error().is_retryable();
    const auto asked = answer ? answer->retry_after() : std::chrono::milliseconds{0};
    if (!passing || !backoff.wait(asked, stop)) return answer;
  }
}

std::string where(const std::string& url) {
  const auto parsed = http::parse_url(url);
  return parsed ? parsed->for_people() : "a token service";
}

// Of a stranger's JSON: the member as text, or empty.
std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string{text->data(), text->size()} : std::string{};
}

std::optional<json::object> parse(const std::string& body) {
  json::error_code error;
  json::value value = json::parse(body, error);
  if (error || !value.is_object()) return {};
  return std::move(value.get_object());
}

// It goes into a header: nothing but what tokens are made of.
bool is_token(const std::string& text) {
  return !text.empty() && text.size() <= kMaxToken &&
         std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 ||
                  std::string_view{"-._~+/=:"}.find(static_cast<char>(c)) != std::string_view::npos;
         });
}

sdk::Error refused(const std::string& url, const http::Response& answer, const std::string& words) {
  const std::string tail = " (" + std::to_string(answer.status) +
                           (words.empty() ? ")" : ": " + words.substr(0, 300) + ")");
  if (answer.is_retryable()) {
    sdk::Error error = sdk::fail(BERTH_UNAVAILABLE, where(url) + " has no token for us now" + tail);
    error.retry_after_ms =
        static_cast<std::uint32_t>(std::min<std::int64_t>(answer.retry_after().count(), 3600000));
    return error;
  }
  return sdk::fail(BERTH_DENIED, where(url) + " refused to give a token" + tail);
}

// "AWS:password" in base64, as ECR gives it.
bool is_ecr_token(const std::string& token) {
  if (!is_token(token) || token.size() % 4 != 0) return false;
  std::string plain(token.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(plain.data()),
                                   reinterpret_cast<const unsigned char*>(token.data()),
                                   static_cast<int>(token.size()));
  return size > 4 && plain.starts_with("AWS:");
}

std::int64_t seconds_of(const json::object& object, const char* key, std::int64_t fallback) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_number()) return fallback;
  json::error_code error;
  if (value->is_double()) {
    const double seconds = value->get_double();
    return seconds > 0 && seconds < 1e11 ? static_cast<std::int64_t>(seconds) : fallback;
  }
  const auto seconds = value->to_number<std::int64_t>(error);
  return error || seconds <= 0 ? fallback : seconds;
}

}  // namespace

sdk::Result<Token> fetch_bearer(http::Client& client, const BearerRequest& request,
                                const std::stop_token& stop) {
  // Our own scope, not the challenge's: hosts pull, and pull what they asked for.
  std::string url = request.realm;
  url += url.find('?') == std::string::npos ? '?' : '&';
  if (!request.service.empty()) url += "service=" + http::percent_encode(request.service) + "&";
  url += "scope=" + http::percent_encode("repository:" + request.repository + ":pull");
  const Instant now = std::chrono::system_clock::now();
  const auto answer = send(client,
                           {.url = url,
                            .authorization = request.basic,
                            .ca_pem = request.ca_pem,
                            .insecure_tls = request.insecure_tls},
                           stop);
  if (!answer) return answer.error();
  const auto object = parse(answer->body);
  if (answer->status != 200) {
    return refused(request.realm, *answer, object ? text_of(*object, "details") : "");
  }
  std::string token = object ? text_of(*object, "token") : "";
  if (token.empty() && object) token = text_of(*object, "access_token");
  if (!is_token(token)) {
    return sdk::fail(BERTH_PRECONDITION, where(request.realm) + " answered without a token");
  }
  const std::int64_t life = std::min<std::int64_t>(seconds_of(*object, "expires_in", 60), 86400);
  return Token{"Bearer " + token, now + std::chrono::seconds{life}};
}

sdk::Result<Token> fetch_ecr(http::Client& client, const EcrRequest& request,
                             const std::stop_token& stop) {
  const Instant now = std::chrono::system_clock::now();
  const auto answer = send(
      client,
      {.method = "POST",
       .url = request.endpoint + "/",
       .headers = {{"Content-Type", "application/x-amz-json-1.1"},
                   {"X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"}},
       .body = "{}",
       .ca_pem = request.ca_pem,
       .aws = request.signing},
      stop);
  if (!answer) return answer.error();
  const auto object = parse(answer->body);
  if (answer->status != 200) {
    return refused(request.endpoint, *answer,
                   object ? text_of(*object, "__type") + " " + text_of(*object, "message") : "");
  }
  const json::value* data = object ? object->if_contains("authorizationData") : nullptr;
  const json::array* list = data ? data->if_array() : nullptr;
  const json::object* first = list && !list->empty() ? list->front().if_object() : nullptr;
  const std::string token = first ? text_of(*first, "authorizationToken") : "";
  if (!is_ecr_token(token)) {
    return sdk::fail(BERTH_PRECONDITION,
                     where(request.endpoint) + " answered without an authorizationToken");
  }
  const std::int64_t epoch = seconds_of(*first, "expiresAt", 0);
  const Instant told{std::chrono::seconds{epoch}};
  return Token{"Basic " + token,
               epoch > 0 && told > now && told < now + 2 * kEcrLife ? told : now + kEcrLife};
}

}  // namespace berth::registry_ecr
