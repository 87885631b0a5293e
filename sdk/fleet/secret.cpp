// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/secret.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace berth::fleet {
namespace {
constexpr std::string_view kPrefix = "berth1:";
}

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  if (RAND_bytes(raw.data(), static_cast<int>(bytes)) != 1) std::abort();
  return to_hex({reinterpret_cast<const char*>(raw.data()), raw.size()});
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) std::abort();
  return {reinterpret_cast<const char*>(digest.data()), size};
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string JoinToken::text() const { return std::string(kPrefix) + fingerprint + ":" + secret; }

sdk::Result<JoinToken> JoinToken::parse(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return sdk::fail(BERTH_INVALID, "the join token is empty");
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  const auto bad = sdk::fail(BERTH_INVALID,
                             "the join token is not of the form berth1:FINGERPRINT:SECRET; copy the "
                             "whole line of the plugin's join-token file");
  if (!text.starts_with(kPrefix)) return bad;
  text.remove_prefix(kPrefix.size());
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return bad;
  JoinToken token{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (!is_hex(token.fingerprint, 64) || !is_hex(token.secret, 64)) return bad;
  return token;
}

}  // namespace berth::fleet
