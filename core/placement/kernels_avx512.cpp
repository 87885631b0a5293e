// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#define BERTH_AVX512 __attribute__((target("avx512f")))

namespace berth::placement {
namespace {

// Sixteen keys from `node` on; lanes outside `lanes` are not read from the table.
BERTH_AVX512 inline __m512i load_keys(Key key, std::size_t node, __mmask16 lanes) {
  const __m512i column = _mm512_loadu_si512(key.column + node);
  if (key.table == nullptr) return column;
  return _mm512_mask_i32gather_epi32(_mm512_set1_epi32(INT32_MAX), lanes, column, key.table, 4);
}

BERTH_AVX512 inline __mmask16 passing(std::span<const Floor> floors, std::size_t node,
                                      __mmask16 lanes) {
  for (const Floor& floor : floors) {
    lanes = _mm512_mask_cmpge_epi32_mask(lanes, _mm512_loadu_si512(floor.column + node),
                                         _mm512_set1_epi32(floor.least));
  }
  return lanes;
}

BERTH_AVX512 void filter(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                         std::uint64_t* out) {
  for (std::size_t w = 0; w < in.size(); ++w) {
    std::uint64_t kept = 0;
    if (in[w] == 0) continue;
    for (unsigned part = 0; part < 64; part += 16) {
      const auto lanes = passing(floors, w * 64 + part, static_cast<__mmask16>(in[w] >> part));
      kept |= static_cast<std::uint64_t>(lanes) << part;
    }
    out[w] |= kept;
  }
}

BERTH_AVX512 Best first_least(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                              Key key) {
  Best best;
  __m512i least = _mm512_set1_epi32(INT32_MAX);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    for (unsigned part = 0; part < 64; part += 16) {
      const std::size_t node = w * 64 + part;
      const __mmask16 lanes = passing(floors, node, static_cast<__mmask16>(in[w] >> part));
      const __m512i keys = load_keys(key, node, lanes);
      const __mmask16 better = _mm512_mask_cmplt_epi32_mask(lanes, keys, least);
      if (better == 0) continue;  // nearly always: the best falls only a few times in a scan
      best.key = _mm512_mask_reduce_min_epi32(better, keys);
      least = _mm512_set1_epi32(best.key);
      const __mmask16 at = _mm512_mask_cmpeq_epi32_mask(better, keys, least);
      best.node = node + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(at)));
    }
  }
  return best;
}

BERTH_AVX512 void keep_least(std::span<std::uint64_t> nodes, Key key) {
  const __m512i least = _mm512_set1_epi32(first_least(nodes, {}, key).key);
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    if (nodes[w] == 0) continue;
    std::uint64_t kept = 0;
    for (unsigned part = 0; part < 64; part += 16) {
      const auto lanes = static_cast<__mmask16>(nodes[w] >> part);
      const __m512i keys = load_keys(key, w * 64 + part, lanes);
      kept |= static_cast<std::uint64_t>(_mm512_mask_cmpeq_epi32_mask(lanes, keys, least)) << part;
    }
    nodes[w] = kept;
  }
}

}  // namespace

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels{filter, first_least, keep_least};
  return __builtin_cpu_supports("avx512f") ? &kKernels : nullptr;
}

}  // namespace berth::placement
#else
namespace berth::placement {
const Kernels* avx512_kernels() {
  return nullptr;
}
}  // namespace berth::placement
#endif
