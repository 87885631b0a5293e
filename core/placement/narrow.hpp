// SPDX-License-Identifier: Apache-2.0
// Amounts in 16 bits, for scans of few nodes: half the memory to read, twice the nodes a register.
//
// Codes keep the order of amounts, and equal amounts where neither is saturated; what is below
// zero, or not there, has a code below all others. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/placement/kernels.hpp"

namespace berth::placement {

inline constexpr std::uint16_t kNarrowMost = UINT16_MAX;  // so much, or more

[[nodiscard]] constexpr std::uint16_t narrow_of(std::int32_t amount) {
  if (amount < 0) return 0;
  return amount < kNarrowMost - 1 ? static_cast<std::uint16_t>(amount + 1) : kNarrowMost;
}

// As Kernels::first_least. Codes; columns of a multiple of 64 nodes.
struct NarrowScan {
  const std::uint16_t* key = nullptr;
  const std::uint16_t* other = nullptr;
  std::uint16_t least_key = 0;  // these two from 1 on, and below kNarrowMost
  std::uint16_t least_other = 0;
  std::size_t nodes = 0;
};
// The first node with the least key of those with at least so much of both. Best::kNone: there is
// none, or their keys are all saturated: then only a wide scan knows. It looks no further than a
// key that could not be less.
[[nodiscard]] std::size_t first_least_scalar(const NarrowScan& scan);
// Requires: avx2_kernels().
[[nodiscard]] std::size_t first_least_avx2(const NarrowScan& scan);

}  // namespace berth::placement
