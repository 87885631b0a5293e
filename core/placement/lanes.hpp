// SPDX-License-Identifier: Apache-2.0
// Sixteen neighbouring 32-bit integers at once: the steps that the trees are made of.
//
// SSE2, which every x86-64 has, so that nothing needs to be chosen at run time; plain loops
// elsewhere. Masks have bit i for the i-th integer. Some are of 16 bits: half a line of the cache.
// Threads: any.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace berth::placement::lanes {

inline constexpr std::uint32_t kWidth = 16;
// Below every amount that a node can offer: "not there".
inline constexpr std::int32_t kNothing = INT32_MIN;

// Has the line of the cache at hand that will be written soon.
inline void prefetch(const void* at) {
#if defined(__GNUC__)
  __builtin_prefetch(at, 1);
#else
  static_cast<void>(at);
#endif
}

#if defined(__SSE2__)

namespace detail {
inline __m128i load(const std::int32_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
inline std::uint32_t mask_of(__m128i a, __m128i b, __m128i c, __m128i d) {
  const __m128i low = _mm_packs_epi32(a, b);
  const __m128i high = _mm_packs_epi32(c, d);
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
}
inline __m128i greater_of(__m128i a, __m128i b) {
  const __m128i is_greater = _mm_cmpgt_epi32(a, b);
  return _mm_or_si128(_mm_and_si128(is_greater, a), _mm_andnot_si128(is_greater, b));
}
}  // namespace detail

// Those that are >= least. Requires: least > INT32_MIN.
inline std::uint32_t at_least(const std::int32_t* a, std::int32_t least) {
  const __m128i below = _mm_set1_epi32(least - 1);
  return detail::mask_of(
      _mm_cmpgt_epi32(detail::load(a), below), _mm_cmpgt_epi32(detail::load(a + 4), below),
      _mm_cmpgt_epi32(detail::load(a + 8), below), _mm_cmpgt_epi32(detail::load(a + 12), below));
}
// Those with a >= least_a and b >= least_b.
inline std::uint32_t at_least(const std::int32_t* a, std::int32_t least_a, const std::int32_t* b,
                              std::int32_t least_b) {
  const __m128i below_a = _mm_set1_epi32(least_a - 1);
  const __m128i below_b = _mm_set1_epi32(least_b - 1);
  const auto both = [&](int i) {
    return _mm_and_si128(_mm_cmpgt_epi32(detail::load(a + i), below_a),
                         _mm_cmpgt_epi32(detail::load(b + i), below_b));
  };
  return detail::mask_of(both(0), both(4), both(8), both(12));
}
inline std::uint32_t equal(const std::int32_t* a, std::int32_t wanted) {
  const __m128i same = _mm_set1_epi32(wanted);
  return detail::mask_of(
      _mm_cmpeq_epi32(detail::load(a), same), _mm_cmpeq_epi32(detail::load(a + 4), same),
      _mm_cmpeq_epi32(detail::load(a + 8), same), _mm_cmpeq_epi32(detail::load(a + 12), same));
}
inline std::int32_t greatest(const std::int32_t* a) {
  __m128i out = detail::greater_of(detail::greater_of(detail::load(a), detail::load(a + 4)),
                                   detail::greater_of(detail::load(a + 8), detail::load(a + 12)));
  out = detail::greater_of(out, _mm_shuffle_epi32(out, 0x4E));
  out = detail::greater_of(out, _mm_shuffle_epi32(out, 0xB1));
  return _mm_cvtsi128_si32(out);
}

inline std::uint32_t at_least(const std::int16_t* a, std::int16_t least) {
  const __m128i wanted = _mm_set1_epi16(least);
  // least > a, by the sign bits of bytes.
  const __m128i low = _mm_cmpgt_epi16(wanted, _mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
  const __m128i high =
      _mm_cmpgt_epi16(wanted, _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + 8)));
  return ~static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high))) & 0xFFFFu;
}
inline std::int16_t greatest(const std::int16_t* a) {
  __m128i out = _mm_max_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)),
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + 8)));
  out = _mm_max_epi16(out, _mm_shuffle_epi32(out, 0x4E));
  out = _mm_max_epi16(out, _mm_shuffle_epi32(out, 0xB1));
  out = _mm_max_epi16(out, _mm_shufflelo_epi16(out, 0xB1));
  return static_cast<std::int16_t>(_mm_extract_epi16(out, 0));
}
inline std::uint32_t equal(const std::uint8_t* a, std::uint8_t wanted) {
  return static_cast<std::uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)),
                                       _mm_set1_epi8(static_cast<char>(wanted)))));
}

#else

inline std::uint32_t at_least(const std::int32_t* a, std::int32_t least) {
  std::uint32_t out = 0;
  for (std::uint32_t i = 0; i < kWidth; ++i) out |= std::uint32_t{a[i] >= least} << i;
  return out;
}
inline std::uint32_t at_least(const std::int32_t* a, std::int32_t least_a, const std::int32_t* b,
                              std::int32_t least_b) {
  return at_least(a, least_a) & at_least(b, least_b);
}
inline std::uint32_t equal(const std::int32_t* a, std::int32_t wanted) {
  std::uint32_t out = 0;
  for (std::uint32_t i = 0; i < kWidth; ++i) out |= std::uint32_t{a[i] == wanted} << i;
  return out;
}
inline std::int32_t greatest(const std::int32_t* a) {
  std::int32_t out = a[0];
  for (std::uint32_t i = 1; i < kWidth; ++i) out = a[i] > out ? a[i] : out;
  return out;
}
inline std::uint32_t at_least(const std::int16_t* a, std::int16_t least) {
  std::uint32_t out = 0;
  for (std::uint32_t i = 0; i < kWidth; ++i) out |= std::uint32_t{a[i] >= least} << i;
  return out;
}
inline std::int16_t greatest(const std::int16_t* a) {
  std::int16_t out = a[0];
  for (std::uint32_t i = 1; i < kWidth; ++i) out = a[i] > out ? a[i] : out;
  return out;
}
inline std::uint32_t equal(const std::uint8_t* a, std::uint8_t wanted) {
  std::uint32_t out = 0;
  for (std::uint32_t i = 0; i < kWidth; ++i) out |= std::uint32_t{a[i] == wanted} << i;
  return out;
}

#endif

inline std::uint32_t below(const std::int32_t* a, std::int32_t end) {
  return ~at_least(a, end) & 0xFFFFu;
}
inline std::int32_t least(const std::int32_t* a) {
  std::int32_t out = a[0];
  for (std::uint32_t i = 1; i < kWidth; ++i) out = a[i] < out ? a[i] : out;
  return out;
}

}  // namespace berth::placement::lanes
