// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "core/api/sigv4/verifier.hpp"

namespace berth::api::sigv4 {
namespace {

using Digest = std::array<unsigned char, 32>;

std::string hex(const Digest& digest) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

Digest sha256(std::string_view data) {
  Digest digest{};
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return digest;
}

Digest hmac(std::string_view key, std::string_view data) {
  Digest digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), &size);
  return digest;
}

std::string_view bytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string canonical_query(const http::Request& request) {
  http::Parameters encoded;
  for (const auto& [name, value] : http::parse_query(request.query())) {
    if (name == "X-Amz-Signature") continue;
    encoded.emplace_back(http::percent_encode(name, http::Slash::Encode),
                         http::percent_encode(value, http::Slash::Encode));
  }
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += name + "=" + value;
  }
  return text;
}

// Outer blanks go, inner runs become one.
std::string trimmed(std::string_view value) {
  std::string text;
  bool blank = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      blank = !text.empty();
      continue;
    }
    if (blank) text += ' ';
    blank = false;
    text += c;
  }
  return text;
}

std::string canonical_headers(const http::Request& request, const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(';', at), list.size());
    names.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  std::string text;
  for (const std::string& name : names) {
    std::string values;
    bool first = true;
    for (const http::Header& header : request.headers) {
      if (header.name != name) continue;
      if (!first) values += ',';
      first = false;
      values += trimmed(header.value);
    }
    text += name + ":" + values + "\n";
  }
  return text;
}

std::string payload_hash(const http::Request& request) {
  const std::string* given = request.header("x-amz-content-sha256");
  return given != nullptr ? *given : hex(sha256(request.body));
}

std::string scope(const Claim& claim) {
  const std::size_t slash = claim.credential.find('/');
  return slash == std::string::npos ? std::string() : claim.credential.substr(slash + 1);
}

}  // namespace

std::string canonical_request(const http::Request& request, const Claim& claim) {
  const std::string_view path = request.path();
  return request.method + "\n" + http::percent_encode(path, http::Slash::Keep) + "\n" +
         canonical_query(request) + "\n" + canonical_headers(request, claim.signed_headers) + "\n" +
         claim.signed_headers + "\n" + payload_hash(request);
}

std::string string_to_sign(const std::string& canonical, const Claim& claim) {
  return "AWS4-HMAC-SHA256\n" + claim.date + "\n" + scope(claim) + "\n" + hex(sha256(canonical));
}

std::string sign(const std::string& text, const std::string& secret, const Claim& claim) {
  // The key is a chain over the parts of the scope: date, region, service, terminator.
  std::string chain = scope(claim);
  std::string key = "AWS4" + secret;
  for (std::size_t at = 0; at <= chain.size();) {
    const std::size_t end = std::min(chain.find('/', at), chain.size());
    key = bytes(hmac(key, std::string_view(chain).substr(at, end - at)));
    at = end + 1;
  }
  return hex(hmac(key, text));
}

// True where the body is what the client says that it signed.
bool payload_matches(const http::Request& request) {
  const std::string* given = request.header("x-amz-content-sha256");
  return given == nullptr || *given == "UNSIGNED-PAYLOAD" || *given == hex(sha256(request.body));
}

}  // namespace berth::api::sigv4
