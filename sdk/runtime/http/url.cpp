// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/http/url.hpp"

#include <curl/curl.h>

#include <memory>

namespace berth::runtime::http {
namespace {

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, UrlCleanup>;

std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

sdk::Result<Url> take_apart(CURLU* url) {
  if (!part(url, CURLUPART_USER).empty() || !part(url, CURLUPART_PASSWORD).empty()) {
    return sdk::fail(BERTH_INVALID, "a URL with a user name or password in it is not taken");
  }
  Url out{.scheme = lower(part(url, CURLUPART_SCHEME)),
          .host = lower(part(url, CURLUPART_HOST)),
          .port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT),
          .path = part(url, CURLUPART_PATH),
          .query = part(url, CURLUPART_QUERY)};
  if (out.scheme != "http" && out.scheme != "https") {
    return sdk::fail(BERTH_INVALID, "a URL has to begin with http:// or https://");
  }
  if (out.host.empty()) return sdk::fail(BERTH_INVALID, "the URL names no host");
  if (out.path.empty()) out.path = "/";
  return out;
}

// Control characters would reach the request line.
bool has_control(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return true;
  }
  return false;
}

}  // namespace

std::string Url::authority() const {
  const bool usual = (scheme == "http" && port == "80") || (scheme == "https" && port == "443");
  return usual ? host : host + ":" + port;
}

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

bool Url::is_loopback() const {
  if (host == "localhost" || host == "[::1]") return true;
  // Digits only: "127.example.com" is somebody's name.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string Url::for_people() const {
  return scheme + "://" + authority() + path;
}

std::string Url::to_string() const {
  return for_people() + (query.empty() ? std::string{} : "?" + query);
}

sdk::Result<Url> parse_url(std::string_view text) {
  if (text.size() > 8192 || has_control(text)) {
    return sdk::fail(BERTH_INVALID, "this is not a URL: it is too long or has blanks in it");
  }
  const Handle url{curl_url()};
  if (!url || curl_url_set(url.get(), CURLUPART_URL, std::string{text}.c_str(), 0) != CURLUE_OK) {
    return sdk::fail(BERTH_INVALID, "'" + std::string{text.substr(0, 300)} + "' is not a URL");
  }
  return take_apart(url.get());
}

sdk::Result<Url> resolve_url(const Url& base, std::string_view location) {
  const Handle url{curl_url()};
  if (location.empty() || location.size() > 8192 || has_control(location) || !url ||
      curl_url_set(url.get(), CURLUPART_URL, base.to_string().c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, std::string{location}.c_str(), 0) != CURLUE_OK) {
    return sdk::fail(BERTH_INVALID, "a redirect to something that is not a URL");
  }
  return take_apart(url.get());
}

std::string percent_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace berth::runtime::http
