// SPDX-License-Identifier: Apache-2.0
// The numbers that Random draws from a caller's dice: a sequence, the same on every machine.
#pragma once

#include <cstdint>

namespace berth::placement {

// This many single nodes are tried before anything is searched.
inline constexpr std::uint32_t kProbes = 8;

// SplitMix64's finisher.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// The i-th number of the sequence that `dice` starts.
[[nodiscard]] inline std::uint64_t draw(std::uint64_t dice, std::uint32_t i) {
  return mix(mix(dice) + (i + std::uint64_t{1}) * 0x9E3779B97F4A7C15);
}
// The same, in 0 to below - 1.
[[nodiscard]] inline std::uint32_t roll(std::uint64_t dice, std::uint32_t i, std::uint32_t below) {
  return static_cast<std::uint32_t>(draw(dice, i) % below);
}

}  // namespace berth::placement
