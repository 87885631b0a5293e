// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#define BERTH_AVX512 __attribute__((target("avx512f")))
#define BERTH_AVX512_INLINE __attribute__((target("avx512f"), always_inline)) inline

// Word by word, as with AVX2: four vectors of sixteen nodes, then one test whether the word holds
// anything better.
namespace berth::placement {
namespace {

constexpr unsigned kLanes = 16;
constexpr unsigned kVectors = 64 / kLanes;

struct Keys {
  const std::int32_t* column;
  const std::int32_t* table;
  bool in_register;
  __m512i entries;
};

BERTH_AVX512_INLINE bool is_small(const std::int32_t* table, std::uint32_t count) {
  return table != nullptr && count != 0 && count <= kLanes;
}

BERTH_AVX512_INLINE __m512i entries_of(const std::int32_t* table, std::uint32_t count) {
  alignas(64) std::int32_t entries[kLanes] = {};
  for (std::uint32_t i = 0; i < count; ++i) entries[i] = table[i];
  return _mm512_loadu_si512(entries);
}

BERTH_AVX512_INLINE Keys keys_of(Key key) {
  const bool in_register = is_small(key.table, key.table_entries);
  return Keys{key.column, key.table, in_register,
              entries_of(key.table, in_register ? key.table_entries : 0)};
}

// Sixteen keys from `node` on; lanes outside `lanes` are not read from the table.
BERTH_AVX512_INLINE __m512i read(const Keys& keys, std::size_t node, __mmask16 lanes) {
  const __m512i column = _mm512_loadu_si512(keys.column + node);
  if (keys.table == nullptr) return column;
  if (keys.in_register) return _mm512_permutexvar_epi32(column, keys.entries);
  return _mm512_mask_i32gather_epi32(_mm512_set1_epi32(INT32_MAX), lanes, column, keys.table, 4);
}

// Floors: how many there are, none with a table; kTwoAndTable: two without and one with a table of
// up to sixteen entries; kAnyFloors: any number, with tables or without.
constexpr int kTwoAndTable = 3;
constexpr int kAnyFloors = -1;

struct Floors {
  std::span<const Floor> all;
  __m512i entries;  // of kTwoAndTable
};

BERTH_AVX512_INLINE int kind_of(std::span<const Floor> floors) {
  for (std::size_t i = 0; i < floors.size() && i < 2; ++i) {
    if (floors[i].table != nullptr) return kAnyFloors;
  }
  if (floors.size() < 3) return static_cast<int>(floors.size());
  const bool is_third = floors.size() == 3 && is_small(floors[2].table, floors[2].table_entries);
  return is_third ? kTwoAndTable : kAnyFloors;
}

template <int count>
BERTH_AVX512_INLINE Floors floors_of(std::span<const Floor> floors) {
  if constexpr (count == kTwoAndTable)
    return {floors, entries_of(floors[2].table, floors[2].table_entries)};
  return {floors, _mm512_setzero_si512()};
}

BERTH_AVX512_INLINE __mmask16 passing_any(std::span<const Floor> floors, std::size_t node,
                                          __mmask16 lanes) {
  for (const Floor& floor : floors) {
    const __m512i least = _mm512_set1_epi32(floor.least);
    __m512i value = _mm512_loadu_si512(floor.column + node);
    if (floor.table != nullptr)
      value = _mm512_mask_i32gather_epi32(least, lanes, value, floor.table, 4);
    lanes = _mm512_mask_cmpge_epi32_mask(lanes, value, least);
  }
  return lanes;
}

template <int count>
BERTH_AVX512_INLINE __mmask16 passing(const Floors& floors, std::size_t node, __mmask16 lanes) {
  if constexpr (count == kAnyFloors) return passing_any(floors.all, node, lanes);
  if constexpr (count >= 1) {
    lanes = _mm512_mask_cmpge_epi32_mask(lanes, _mm512_loadu_si512(floors.all[0].column + node),
                                         _mm512_set1_epi32(floors.all[0].least));
  }
  if constexpr (count >= 2) {
    lanes = _mm512_mask_cmpge_epi32_mask(lanes, _mm512_loadu_si512(floors.all[1].column + node),
                                         _mm512_set1_epi32(floors.all[1].least));
  }
  if constexpr (count == kTwoAndTable) {
    const __m512i column = _mm512_loadu_si512(floors.all[2].column + node);
    lanes = _mm512_mask_cmpge_epi32_mask(lanes, _mm512_permutexvar_epi32(column, floors.entries),
                                         _mm512_set1_epi32(floors.all[2].least));
  }
  return lanes;
}

BERTH_AVX512_INLINE __mmask16 lanes_of(std::uint64_t word, unsigned vector) {
  return static_cast<__mmask16>(word >> vector * kLanes);
}

// The nodes of a word that pass.
template <int floor_count>
BERTH_AVX512_INLINE std::uint64_t passing_of_word(std::uint64_t word, const Floors& floors,
                                                  std::size_t node) {
  std::uint64_t kept = 0;
#pragma GCC unroll 4
  for (unsigned i = 0; i < kVectors; ++i) {
    const __mmask16 lanes = passing<floor_count>(floors, node + i * kLanes, lanes_of(word, i));
    kept |= static_cast<std::uint64_t>(lanes) << i * kLanes;
  }
  return kept;
}

template <int floor_count>
BERTH_AVX512 void filter_with(std::span<const std::uint64_t> in, std::span<const Floor> all,
                              std::uint64_t* out) {
  const Floors floors = floors_of<floor_count>(all);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] != 0) out[w] |= passing_of_word<floor_count>(in[w], floors, w * 64);
  }
}

template <int floor_count>
BERTH_AVX512 std::size_t first_with(std::span<const std::uint64_t> in, std::span<const Floor> all) {
  const Floors floors = floors_of<floor_count>(all);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    const std::uint64_t found = passing_of_word<floor_count>(in[w], floors, w * 64);
    if (found != 0) return w * 64 + static_cast<std::size_t>(std::countr_zero(found));
  }
  return Best::kNone;
}

BERTH_AVX512 void filter(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                         std::uint64_t* out) {
  switch (kind_of(floors)) {
    case 2:
      return filter_with<2>(in, floors, out);
    case kTwoAndTable:
      return filter_with<kTwoAndTable>(in, floors, out);
    default:
      return filter_with<kAnyFloors>(in, floors, out);
  }
}

BERTH_AVX512 std::size_t first(std::span<const std::uint64_t> in, std::span<const Floor> floors) {
  switch (kind_of(floors)) {
    case 2:
      return first_with<2>(in, floors);
    case kTwoAndTable:
      return first_with<kTwoAndTable>(in, floors);
    default:
      return first_with<kAnyFloors>(in, floors);
  }
}

// The first node of word `w` whose key is the least that passes there.
template <int floor_count>
BERTH_AVX512_INLINE Best best_of_word(std::uint64_t word, const Floors& floors, const Keys& keys,
                                      std::size_t base) {
  Best best;
  for (unsigned i = 0; i < kVectors; ++i) {
    const std::size_t node = base + i * kLanes;
    const __mmask16 lanes = passing<floor_count>(floors, node, lanes_of(word, i));
    const __m512i values = read(keys, node, lanes);
    const __mmask16 better =
        _mm512_mask_cmplt_epi32_mask(lanes, values, _mm512_set1_epi32(best.key));
    if (better == 0) continue;
    best.key = _mm512_mask_reduce_min_epi32(better, values);
    const __mmask16 at = _mm512_mask_cmpeq_epi32_mask(better, values, _mm512_set1_epi32(best.key));
    best.node = node + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(at)));
  }
  return best;
}

template <int floor_count>
BERTH_AVX512 Best least_with(std::span<const std::uint64_t> in, std::span<const Floor> all,
                             Key key) {
  const Keys keys = keys_of(key);
  const Floors floors = floors_of<floor_count>(all);
  Best best;
  __m512i least = _mm512_set1_epi32(INT32_MAX);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    __mmask16 better = 0;
#pragma GCC unroll 4
    for (unsigned i = 0; i < kVectors; ++i) {
      const std::size_t node = w * 64 + i * kLanes;
      const __mmask16 lanes = passing<floor_count>(floors, node, lanes_of(in[w], i));
      better = static_cast<__mmask16>(
          better | _mm512_mask_cmplt_epi32_mask(lanes, read(keys, node, lanes), least));
    }
    if (better == 0) continue;  // nearly always: the best falls only a few times in a scan
    best = best_of_word<floor_count>(in[w], floors, keys, w * 64);
    least = _mm512_set1_epi32(best.key);
  }
  return best;
}

BERTH_AVX512 Best first_least(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                              Key key) {
  switch (kind_of(floors)) {
    case 0:
      return least_with<0>(in, floors, key);
    case 2:
      return least_with<2>(in, floors, key);
    case kTwoAndTable:
      return least_with<kTwoAndTable>(in, floors, key);
    default:
      return least_with<kAnyFloors>(in, floors, key);
  }
}

BERTH_AVX512 void keep_least(std::span<std::uint64_t> nodes, Key key) {
  const Keys keys = keys_of(key);
  const Floors none{};
  std::int32_t best = INT32_MAX;
  std::size_t first = 0;  // words before it held the best of their time, which has fallen since
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    if (nodes[w] == 0) continue;
    const std::int32_t least = best_of_word<0>(nodes[w], none, keys, w * 64).key;
    if (least < best) {
      best = least;
      first = w;
    }
    std::uint64_t kept = 0;
    for (unsigned i = 0; i < kVectors && least == best; ++i) {
      const __mmask16 lanes = lanes_of(nodes[w], i);
      const __m512i values = read(keys, w * 64 + i * kLanes, lanes);
      kept |= static_cast<std::uint64_t>(
                  _mm512_mask_cmpeq_epi32_mask(lanes, values, _mm512_set1_epi32(best)))
              << i * kLanes;
    }
    nodes[w] = kept;
  }
  for (std::size_t w = 0; w < first; ++w) nodes[w] = 0;
}

}  // namespace

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels{filter, first, first_least, keep_least};
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
