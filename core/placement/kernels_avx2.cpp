// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#define BERTH_AVX2 __attribute__((target("avx2")))
#define BERTH_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

// Each pass works word by word: eight vectors of eight nodes, one test at the end whether the word
// holds anything better, which it rarely does. Nodes that do not count are tracked as "failing",
// by the sign bits of lanes: what blends, gathers and movemask look at.
namespace berth::placement {
namespace {

constexpr unsigned kLanes = 8;
constexpr unsigned kVectors = 64 / kLanes;

BERTH_AVX2_INLINE __m256i load(const std::int32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

BERTH_AVX2_INLINE unsigned signs_of(__m256i lanes) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

// `yes` in the lanes whose sign bit in `which` is set, else `no`.
BERTH_AVX2_INLINE __m256i choose(__m256i no, __m256i yes, __m256i which) {
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(no), _mm256_castsi256_ps(yes),
                                              _mm256_castsi256_ps(which)));
}

// The sign of lane i is the complement of bit 8 * vector + i of `word`.
BERTH_AVX2_INLINE __m256i absent(std::uint64_t word, unsigned vector) {
  const auto half = static_cast<std::int32_t>(~word >> (vector < 4 ? 0 : 32));
  const __m256i to_sign = _mm256_sub_epi32(_mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24),
                                           _mm256_set1_epi32(static_cast<int>(vector % 4 * 8)));
  return _mm256_sllv_epi32(_mm256_set1_epi32(half), to_sign);
}

BERTH_AVX2_INLINE __m256i inverse(__m256i lanes) {
  return _mm256_andnot_si256(lanes, _mm256_set1_epi32(-1));
}

BERTH_AVX2_INLINE __m256i entries_of(const std::int32_t* table, std::uint32_t count) {
  alignas(32) std::int32_t entries[kLanes] = {};
  for (std::uint32_t i = 0; i < count; ++i) entries[i] = table[i];
  return load(entries);
}

enum class Lookup { None, Register, Gather };

struct Keys {
  const std::int32_t* column;
  const std::int32_t* table;
  __m256i entries;  // of Lookup::Register
};

BERTH_AVX2_INLINE Lookup lookup_of(Key key) {
  if (key.table == nullptr) return Lookup::None;
  return key.table_entries != 0 && key.table_entries <= kLanes ? Lookup::Register : Lookup::Gather;
}

BERTH_AVX2_INLINE Keys keys_of(Key key) {
  const std::uint32_t entries = lookup_of(key) == Lookup::Register ? key.table_entries : 0;
  return Keys{key.column, key.table, entries_of(key.table, entries)};
}

// Keys of eight nodes, INT32_MAX where failing.
template <Lookup lookup>
BERTH_AVX2_INLINE __m256i read(const Keys& keys, std::size_t node, __m256i failing) {
  const __m256i none = _mm256_set1_epi32(INT32_MAX);
  const __m256i column = load(keys.column + node);
  if constexpr (lookup == Lookup::Gather) {
    return _mm256_mask_i32gather_epi32(none, keys.table, column, inverse(failing), 4);
  } else if constexpr (lookup == Lookup::Register) {
    return choose(_mm256_permutevar8x32_epi32(keys.entries, column), none, failing);
  } else {
    return choose(column, none, failing);
  }
}

// Floors: how many there are, none with a table; kTwoAndTable: two without and one with a table of
// up to eight entries; kAnyFloors: any number, with tables or without.
constexpr int kTwoAndTable = 3;
constexpr int kAnyFloors = -1;

struct Floors {
  std::span<const Floor> all;
  __m256i entries;  // of kTwoAndTable
};

template <int count>
BERTH_AVX2_INLINE Floors floors_of(std::span<const Floor> floors) {
  if constexpr (count == kTwoAndTable)
    return {floors, entries_of(floors[2].table, floors[2].table_entries)};
  return {floors, _mm256_setzero_si256()};
}

template <int count>
BERTH_AVX2_INLINE __m256i below(const Floors& floors, std::size_t node, __m256i failing) {
  const auto fail = [&](const Floor& floor, __m256i value) BERTH_AVX2 {
    failing = _mm256_or_si256(failing, _mm256_cmpgt_epi32(_mm256_set1_epi32(floor.least), value));
  };
  const std::span<const Floor> all = floors.all;
  if constexpr (count >= 1) fail(all[0], load(all[0].column + node));
  if constexpr (count >= 2) fail(all[1], load(all[1].column + node));
  if constexpr (count == kTwoAndTable) {
    const __m256i column = load(all[2].column + node);
    fail(all[2], _mm256_permutevar8x32_epi32(floors.entries, column));
  }
  if constexpr (count == kAnyFloors) {
    for (const Floor& floor : all) {
      const __m256i least = _mm256_set1_epi32(floor.least);
      __m256i value = load(floor.column + node);
      if (floor.table != nullptr) {
        if (signs_of(failing) == 0xFF) return failing;
        value = _mm256_mask_i32gather_epi32(least, floor.table, value, inverse(failing), 4);
      }
      failing = _mm256_or_si256(failing, _mm256_cmpgt_epi32(least, value));
    }
  }
  return failing;
}

// All of a word's keys that count, in `out`; the least in each lane is returned.
template <int floor_count, bool whole, Lookup lookup>
BERTH_AVX2_INLINE __m256i read_word(std::uint64_t word, const Floors& floors, const Keys& keys,
                                    std::size_t node, __m256i* out) {
  __m256i least = _mm256_set1_epi32(INT32_MAX);
#pragma GCC unroll 8
  for (unsigned i = 0; i < kVectors; ++i) {
    const __m256i outside = whole ? _mm256_setzero_si256() : absent(word, i);
    const __m256i failing = below<floor_count>(floors, node + i * kLanes, outside);
    const __m256i values = read<lookup>(keys, node + i * kLanes, failing);
    if (out != nullptr) out[i] = values;
    least = _mm256_min_epi32(least, values);
  }
  return least;
}

template <int floor_count, Lookup lookup>
BERTH_AVX2_INLINE __m256i read_any_word(std::uint64_t word, const Floors& floors, const Keys& keys,
                                        std::size_t node, __m256i* out) {
  if (word == ~std::uint64_t{0})
    return read_word<floor_count, true, lookup>(word, floors, keys, node, out);
  return read_word<floor_count, false, lookup>(word, floors, keys, node, out);
}

BERTH_AVX2_INLINE std::int32_t least_of(__m256i keys) {
  __m128i four = _mm_min_epi32(_mm256_castsi256_si128(keys), _mm256_extracti128_si256(keys, 1));
  four = _mm_min_epi32(four, _mm_shuffle_epi32(four, 0b01001110));
  four = _mm_min_epi32(four, _mm_shuffle_epi32(four, 0b10110001));
  return _mm_cvtsi128_si32(four);
}

// The nodes of a word whose key is `key`.
BERTH_AVX2_INLINE std::uint64_t equal_to(__m256i key, const __m256i* keys) {
  std::uint64_t bits = 0;
#pragma GCC unroll 8
  for (unsigned i = 0; i < kVectors; ++i) {
    bits |= static_cast<std::uint64_t>(signs_of(_mm256_cmpeq_epi32(keys[i], key))) << i * kLanes;
  }
  return bits;
}

// The nodes of a word that pass.
template <int floor_count>
BERTH_AVX2_INLINE std::uint64_t passing(std::uint64_t word, const Floors& floors,
                                        std::size_t node) {
  std::uint64_t failing = 0;
#pragma GCC unroll 8
  for (unsigned i = 0; i < kVectors; ++i) {
    const __m256i outside = floor_count == kAnyFloors ? absent(word, i) : _mm256_setzero_si256();
    const __m256i lanes = below<floor_count>(floors, node + i * kLanes, outside);
    failing |= static_cast<std::uint64_t>(signs_of(lanes)) << i * kLanes;
  }
  return word & ~failing;
}

template <int floor_count>
BERTH_AVX2 void filter_with(std::span<const std::uint64_t> in, std::span<const Floor> all,
                            std::uint64_t* out) {
  const Floors floors = floors_of<floor_count>(all);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] != 0) out[w] |= passing<floor_count>(in[w], floors, w * 64);
  }
}

template <int floor_count>
BERTH_AVX2 std::size_t first_with(std::span<const std::uint64_t> in, std::span<const Floor> all) {
  const Floors floors = floors_of<floor_count>(all);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    const std::uint64_t found = passing<floor_count>(in[w], floors, w * 64);
    if (found != 0) return w * 64 + static_cast<std::size_t>(std::countr_zero(found));
  }
  return Best::kNone;
}

template <int floor_count, Lookup lookup>
BERTH_AVX2 Best least_with(std::span<const std::uint64_t> in, std::span<const Floor> all_floors,
                           Key key) {
  const Keys keys = keys_of(key);
  const Floors floors = floors_of<floor_count>(all_floors);
  Best best;
  __m256i least = _mm256_set1_epi32(INT32_MAX);
  for (std::size_t w = 0; w < in.size(); ++w) {
    if (in[w] == 0) continue;
    const __m256i found = read_any_word<floor_count, lookup>(in[w], floors, keys, w * 64, nullptr);
    if (signs_of(_mm256_cmpgt_epi32(least, found)) == 0) continue;
    // Nearly never: the best falls only a few times in a scan.
    __m256i all[kVectors];
    static_cast<void>(read_any_word<floor_count, lookup>(in[w], floors, keys, w * 64, all));
    best.key = least_of(found);
    least = _mm256_set1_epi32(best.key);
    best.node = w * 64 + static_cast<std::size_t>(std::countr_zero(equal_to(least, all)));
  }
  return best;
}

template <Lookup lookup>
BERTH_AVX2 void keep_with(std::span<std::uint64_t> nodes, Key key) {
  const Keys keys = keys_of(key);
  const Floors none{};
  std::int32_t best = INT32_MAX;
  std::size_t first = 0;  // words before it held the best of their time, which has fallen since
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    if (nodes[w] == 0) continue;
    __m256i all[kVectors];
    const std::int32_t least =
        least_of(read_any_word<0, lookup>(nodes[w], none, keys, w * 64, all));
    if (least < best) {
      best = least;
      first = w;
    }
    nodes[w] = least == best ? equal_to(_mm256_set1_epi32(best), all) & nodes[w] : 0;
  }
  for (std::size_t w = 0; w < first; ++w) nodes[w] = 0;
}

BERTH_AVX2_INLINE int plain_floors(std::span<const Floor> floors) {
  if (floors.size() > 3) return kAnyFloors;
  for (std::size_t i = 0; i < floors.size() && i < 2; ++i) {
    if (floors[i].table != nullptr) return kAnyFloors;
  }
  if (floors.size() < 3) return static_cast<int>(floors.size());
  const Floor& last = floors[2];
  const bool is_small = last.table != nullptr && last.table_entries - 1 < kLanes;
  return is_small ? kTwoAndTable : kAnyFloors;
}

BERTH_AVX2 void filter(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                       std::uint64_t* out) {
  switch (plain_floors(floors)) {
    case 1:
      return filter_with<1>(in, floors, out);
    case 2:
      return filter_with<2>(in, floors, out);
    case kTwoAndTable:
      return filter_with<kTwoAndTable>(in, floors, out);
    default:
      return filter_with<kAnyFloors>(in, floors, out);
  }
}

BERTH_AVX2 std::size_t first(std::span<const std::uint64_t> in, std::span<const Floor> floors) {
  switch (plain_floors(floors)) {
    case 2:
      return first_with<2>(in, floors);
    case kTwoAndTable:
      return first_with<kTwoAndTable>(in, floors);
    default:
      return first_with<kAnyFloors>(in, floors);
  }
}

template <int floor_count>
BERTH_AVX2 Best first_least_with(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                                 Key key) {
  switch (lookup_of(key)) {
    case Lookup::None:
      return least_with<floor_count, Lookup::None>(in, floors, key);
    case Lookup::Register:
      return least_with<floor_count, Lookup::Register>(in, floors, key);
    case Lookup::Gather:
      break;
  }
  return least_with<floor_count, Lookup::Gather>(in, floors, key);
}

BERTH_AVX2 Best first_least(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                            Key key) {
  switch (plain_floors(floors)) {
    case 0:
      return first_least_with<0>(in, floors, key);
    case 1:
      return first_least_with<1>(in, floors, key);
    case 2:
      return first_least_with<2>(in, floors, key);
    case kTwoAndTable:
      return first_least_with<kTwoAndTable>(in, floors, key);
    default:
      return first_least_with<kAnyFloors>(in, floors, key);
  }
}

BERTH_AVX2 void keep_least(std::span<std::uint64_t> nodes, Key key) {
  switch (lookup_of(key)) {
    case Lookup::None:
      return keep_with<Lookup::None>(nodes, key);
    case Lookup::Register:
      return keep_with<Lookup::Register>(nodes, key);
    case Lookup::Gather:
      return keep_with<Lookup::Gather>(nodes, key);
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels{filter, first, first_least, keep_least};
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
