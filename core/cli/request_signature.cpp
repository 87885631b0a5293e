// SPDX-License-Identifier: Apache-2.0
#include "core/cli/request_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <string_view>

namespace berth::cli {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string sha256(std::string_view text) {
  std::string digest(32, '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string digest(32, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()), &size);
  return digest;
}

std::string encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

}  // namespace

std::string query_text(const QueryParameters& query) {
  std::string text;
  for (const auto& [name, value] : query)
    text += (text.empty() ? "" : "&") + encoded(name) + "=" + encoded(value);
  return text;
}

SignedHeaders sign_get(const GetRequest& request, const ApiOptions& options, std::time_t now) {
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &utc);
  QueryParameters sorted;
  for (const auto& [name, value] : request.query)
    sorted.emplace_back(encoded(name), encoded(value));
  std::ranges::sort(sorted);
  std::string query;
  for (const auto& [name, value] : sorted) query += (query.empty() ? "" : "&") + name + "=" + value;
  const std::string day = std::string(date).substr(0, 8);
  const std::string scope = day + "/" + options.region + "/ecs/aws4_request";
  const std::string canonical = "GET\n" + request.path + "\n" + query + "\nhost:" + request.host +
                                "\nx-amz-date:" + date + "\n\nhost;x-amz-date\n" + hex(sha256(""));
  const std::string text =
      "AWS4-HMAC-SHA256\n" + std::string(date) + "\n" + scope + "\n" + hex(sha256(canonical));
  std::string key = "AWS4" + options.secret_key;
  for (const std::string& part :
       {day, options.region, std::string("ecs"), std::string("aws4_request")}) {
    key = hmac(key, part);
  }
  return {.date = date,
          .authorization = "AWS4-HMAC-SHA256 Credential=" + options.access_key + "/" + scope +
                           ", SignedHeaders=host;x-amz-date, Signature=" + hex(hmac(key, text))};
}

}  // namespace berth::cli
