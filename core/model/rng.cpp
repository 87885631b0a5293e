// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "core/model/instant.hpp"

namespace berth {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_hex(std::string& out, std::uint64_t bits, int digits) {
  for (int i = 0; i < digits; ++i) {
    out.push_back(kHex[bits & 0xf]);
    bits >>= 4;
  }
}

}  // namespace

std::string Rng::hex_id() {
  std::string id;
  id.reserve(32);
  append_hex(id, next(), 16);
  append_hex(id, next(), 16);
  return id;
}

std::string Rng::uuid() {
  std::string raw = hex_id();
  raw[12] = '4';
  raw[16] = kHex[8 + (static_cast<unsigned>(raw[16]) & 3)];
  return raw.substr(0, 8) + "-" + raw.substr(8, 4) + "-" + raw.substr(12, 4) + "-" +
         raw.substr(16, 4) + "-" + raw.substr(20);
}

SeededRng::SeededRng(std::uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15u;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    word = z ^ (z >> 31);
  }
}

std::uint64_t SeededRng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace berth
