// SPDX-License-Identifier: Apache-2.0
#include "core/placement/narrow.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>
#endif

namespace berth::placement {

std::size_t first_least_scalar(const NarrowScan& scan) {
  std::uint16_t best = kNarrowMost;
  std::size_t out = Best::kNone;
  for (std::size_t node = 0; node < scan.nodes && best != scan.least_key; ++node) {
    const std::uint16_t key = scan.key[node];
    if (key >= best || key < scan.least_key || scan.other[node] < scan.least_other) continue;
    best = key;
    out = node;
  }
  return out;
}

#if defined(__x86_64__)

#define BERTH_NARROW __attribute__((target("avx2")))
#define BERTH_NARROW_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace {

constexpr std::size_t kNarrowLanes = 16;

struct NarrowFloors {
  __m256i key;
  __m256i other;
};

// Keys of sixteen nodes, kNarrowMost where they do not pass.
BERTH_NARROW_INLINE __m256i narrow_keys(const NarrowScan& scan, const NarrowFloors& floors,
                                        std::size_t node) {
  const __m256i key = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scan.key + node));
  const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scan.other + node));
  // What is missing, 0 where nothing is.
  const __m256i missing =
      _mm256_or_si256(_mm256_subs_epu16(floors.key, key), _mm256_subs_epu16(floors.other, other));
  const __m256i passes = _mm256_cmpeq_epi16(missing, _mm256_setzero_si256());
  return _mm256_blendv_epi8(_mm256_set1_epi16(-1), key, passes);
}

BERTH_NARROW_INLINE std::uint16_t narrow_least(__m256i keys) {
  const __m128i half =
      _mm_min_epu16(_mm256_castsi256_si128(keys), _mm256_extracti128_si256(keys, 1));
  return static_cast<std::uint16_t>(_mm_extract_epi16(_mm_minpos_epu16(half), 0));
}

}  // namespace

BERTH_NARROW std::size_t first_least_avx2(const NarrowScan& scan) {
  const NarrowFloors floors = {_mm256_set1_epi16(static_cast<short>(scan.least_key)),
                               _mm256_set1_epi16(static_cast<short>(scan.least_other))};
  __m256i best = _mm256_set1_epi16(-1);
  std::size_t found = Best::kNone;
  for (std::size_t node = 0; node < scan.nodes; node += 4 * kNarrowLanes) {
    __m256i least = narrow_keys(scan, floors, node);
    for (std::size_t i = 1; i < 4; ++i)
      least = _mm256_min_epu16(least, narrow_keys(scan, floors, node + i * kNarrowLanes));
    const __m256i lower_by = _mm256_subs_epu16(best, least);
    if (_mm256_testz_si256(lower_by, lower_by) != 0) continue;
    const std::uint16_t key = narrow_least(least);
    best = _mm256_set1_epi16(static_cast<short>(key));
    found = node;
    if (key == scan.least_key) break;
  }
  if (found == Best::kNone) return found;
  for (;; found += kNarrowLanes) {
    const __m256i same = _mm256_cmpeq_epi16(narrow_keys(scan, floors, found), best);
    const auto bits = static_cast<unsigned>(_mm256_movemask_epi8(same));
    if (bits != 0) return found + static_cast<std::size_t>(std::countr_zero(bits)) / 2;
  }
}

#undef BERTH_NARROW
#undef BERTH_NARROW_INLINE

#else

std::size_t first_least_avx2(const NarrowScan& scan) {
  return first_least_scalar(scan);
}

#endif

}  // namespace berth::placement
