// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#define BERTH_AVX2 __attribute__((target("avx2")))

namespace berth::placement {
namespace {

// All ones in the lanes whose bit of `bits` is set.
BERTH_AVX2 inline __m256i lanes_of(unsigned bits) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), each),
                            each);
}

BERTH_AVX2 inline unsigned bits_of(__m256i lanes) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

BERTH_AVX2 inline __m256i load(const std::int32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Eight keys from `node` on; lanes outside `lanes` are not read from the table.
BERTH_AVX2 inline __m256i load_keys(Key key, std::size_t node, __m256i lanes) {
  const __m256i column = load(key.column + node);
  if (key.table == nullptr) return column;
  return _mm256_mask_i32gather_epi32(_mm256_set1_epi32(INT32_MAX), key.table, column, lanes, 4);
}

BERTH_AVX2 inline __m256i passing(std::span<const Floor> floors, std::size_t node, __m256i lanes) {
  for (const Floor& floor : floors) {
    const __m256i below =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(floor.least), load(floor.column + node));
    lanes = _mm256_andnot_si256(below, lanes);
  }
  return lanes;
}

BERTH_AVX2 inline std::int32_t least_of(__m256i keys) {
  __m128i four = _mm_min_epi32(_mm256_castsi256_si128(keys), _mm256_extracti128_si256(keys, 1));
  four = _mm_min_epi32(four, _mm_shuffle_epi32(four, 0b01001110));
  four = _mm_min_epi32(four, _mm_shuffle_epi32(four, 0b10110001));
  return _mm_cvtsi128_si32(four);
}

BERTH_AVX2 void filter(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                       std::uint64_t* out) {
  for (std::size_t w = 0; w < in.size(); ++w) {
    std::uint64_t kept = 0;
    if (in[w] == 0) continue;
    for (unsigned part = 0; part < 64; part += 8) {
      const __m256i lanes = lanes_of(static_cast<unsigned>(in[w] >> part) & 0xFF);
      kept |= static_cast<std::uint64_t>(bits_of(passing(floors, w * 64 + part, lanes))) << part;
    }
    out[w] |= kept;
  }
}

BERTH_AVX2 Best first_least(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                            Key key) {
  Best best;
  __m256i least = _mm256_set1_epi32(INT32_MAX);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    for (unsigned part = 0; part < 64; part += 8) {
      const std::size_t node = w * 64 + part;
      const __m256i lanes =
          passing(floors, node, lanes_of(static_cast<unsigned>(in[w] >> part) & 0xFF));
      const __m256i keys = load_keys(key, node, lanes);
      const __m256i better = _mm256_and_si256(lanes, _mm256_cmpgt_epi32(least, keys));
      if (bits_of(better) == 0)
        continue;  // nearly always: the best falls only a few times in a scan
      const __m256i others = _mm256_set1_epi32(INT32_MAX);
      best.key = least_of(_mm256_blendv_epi8(others, keys, better));
      least = _mm256_set1_epi32(best.key);
      const unsigned at = bits_of(_mm256_and_si256(better, _mm256_cmpeq_epi32(keys, least)));
      best.node = node + static_cast<std::size_t>(std::countr_zero(at));
    }
  }
  return best;
}

BERTH_AVX2 void keep_least(std::span<std::uint64_t> nodes, Key key) {
  const __m256i least = _mm256_set1_epi32(first_least(nodes, {}, key).key);
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    if (nodes[w] == 0) continue;
    std::uint64_t kept = 0;
    for (unsigned part = 0; part < 64; part += 8) {
      const __m256i lanes = lanes_of(static_cast<unsigned>(nodes[w] >> part) & 0xFF);
      const __m256i keys = load_keys(key, w * 64 + part, lanes);
      const unsigned equal = bits_of(_mm256_and_si256(lanes, _mm256_cmpeq_epi32(keys, least)));
      kept |= static_cast<std::uint64_t>(equal) << part;
    }
    nodes[w] = kept;
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels{filter, first_least, keep_least};
  return __builtin_cpu_supports("avx2") ? &kKernels : nullptr;
}

}  // namespace berth::placement
#else
namespace berth::placement {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace berth::placement
#endif
