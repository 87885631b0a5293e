// SPDX-License-Identifier: Apache-2.0
// What a record's bytes add up to: told apart from any version of it with one byte changed.
//
// Not cryptographic: it finds damage, not forgery. Threads: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace berth::store {

// FNV-1a over `bytes`, going on from `state`. Each step is a bijection of the state, so one changed
// byte always changes the result.
[[nodiscard]] constexpr std::uint64_t checksum(std::string_view bytes,
                                               std::uint64_t state = 0xcbf29ce484222325u) {
  for (const char c : bytes) {
    state ^= static_cast<unsigned char>(c);
    state *= 0x100000001b3u;
  }
  return state;
}

// The size comes between key and value, so that a byte cannot move from one to the other unnoticed.
[[nodiscard]] constexpr std::uint64_t record_checksum(std::uint8_t kind, std::string_view key,
                                                      std::string_view value) {
  const char head[9] = {static_cast<char>(kind),
                        static_cast<char>(key.size()),
                        static_cast<char>(key.size() >> 8),
                        static_cast<char>(key.size() >> 16),
                        static_cast<char>(key.size() >> 24),
                        static_cast<char>(value.size()),
                        static_cast<char>(value.size() >> 8),
                        static_cast<char>(value.size() >> 16),
                        static_cast<char>(value.size() >> 24)};
  return checksum(value, checksum(key, checksum(std::string_view(head, sizeof head))));
}

}  // namespace berth::store
