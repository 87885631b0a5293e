// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace berth::placement {
namespace {

constexpr std::int32_t kEntries = 7;  // of the tables
// In the table's column, of nodes that are outside the set: reading it would be a fault.
constexpr std::int32_t kNoEntry = INT32_MAX;

struct Scan {
  std::vector<std::uint64_t> words;
  std::vector<std::int32_t> column;
  std::vector<std::int32_t> key;
  std::vector<std::int32_t> index;  // into the table
  std::vector<std::int32_t> table;
};

std::vector<std::int32_t> draw_column(std::size_t size, std::int32_t from, std::int32_t to) {
  return *rc::gen::container<std::vector<std::int32_t>>(size, rc::gen::inRange(from, to));
}

Scan draw_scan() {
  Scan scan;
  const auto words = *rc::gen::inRange<std::size_t>(1, 6);
  // Whole words, empty ones and sparse ones take ways of their own.
  const auto word = rc::gen::oneOf(
      rc::gen::arbitrary<std::uint64_t>(), rc::gen::just(~std::uint64_t{0}),
      rc::gen::just(std::uint64_t{0}),
      rc::gen::map(rc::gen::inRange(0, 64), [](int bit) { return std::uint64_t{1} << bit; }));
  scan.words = *rc::gen::container<std::vector<std::uint64_t>>(words, word);
  scan.column = draw_column(words * 64, -3, 9);
  scan.key = draw_column(words * 64, -2, 7);
  scan.index = draw_column(words * 64, 0, kEntries);
  for (std::size_t node = 0; node < scan.index.size(); ++node) {
    if ((scan.words[node / 64] >> (node % 64) & 1) == 0) scan.index[node] = kNoEntry;
  }
  scan.table = draw_column(kEntries, 0, 4);
  return scan;
}

std::vector<Floor> draw_floors(const Scan& scan) {
  const std::vector<Floor> all = {
      {scan.column.data(), *rc::gen::inRange(-4, 9)},
      {scan.key.data(), *rc::gen::inRange(-3, 4)},
      {scan.index.data(), *rc::gen::inRange(0, 4), scan.table.data(),
       *rc::gen::element<std::uint32_t>(0, kEntries)},
  };
  std::vector<Floor> drawn;
  for (const Floor& floor : all) {
    if (*rc::gen::arbitrary<bool>()) drawn.push_back(floor);
  }
  return drawn;
}

std::vector<Key> keys_of(const Scan& scan) {
  return {Key{scan.key.data()}, Key{scan.index.data(), scan.table.data()},
          Key{scan.index.data(), scan.table.data(), kEntries}};
}

void compare(const Kernels* wide) {
  if (wide == nullptr) GTEST_SKIP() << "this processor lacks them";
  const Kernels& plain = scalar_kernels();
  const Scan scan = draw_scan();
  const std::vector<Floor> floors = draw_floors(scan);
  std::vector<std::uint64_t> a(scan.words.size(), 0x10);
  std::vector<std::uint64_t> b = a;
  plain.filter(scan.words, floors, a.data());
  wide->filter(scan.words, floors, b.data());
  RC_ASSERT(a == b);
  RC_ASSERT(plain.first(scan.words, floors) == wide->first(scan.words, floors));
  for (const Key key : keys_of(scan)) {
    const Best one = plain.first_least(scan.words, floors, key);
    const Best other = wide->first_least(scan.words, floors, key);
    RC_ASSERT(one.node == other.node);
    RC_ASSERT(one.key == other.key);
    a = scan.words;
    b = scan.words;
    plain.keep_least(a, key);
    wide->keep_least(b, key);
    RC_ASSERT(a == b);
  }
}

RC_GTEST_PROP(Kernels, AgreeOnAvx2AndWithout, ()) {
  compare(avx2_kernels());
}
RC_GTEST_PROP(Kernels, AgreeOnAvx512AndWithout, ()) {
  compare(avx512_kernels());
}

// What all variants are compared with, against the words of kernels.hpp.
RC_GTEST_PROP(Kernels, WithoutSimdDoWhatTheyAreDocumentedToDo, ()) {
  const Scan scan = draw_scan();
  const std::vector<Floor> floors = draw_floors(scan);
  std::vector<std::uint64_t> passed(scan.words.size());
  scalar_kernels().filter(scan.words, floors, passed.data());
  std::size_t first = Best::kNone;
  for (std::size_t node = scan.index.size(); node-- > 0;) {
    if ((passed[node / 64] >> (node % 64) & 1) != 0) first = node;
  }
  RC_ASSERT(scalar_kernels().first(scan.words, floors) == first);
  for (const Key key : keys_of(scan)) {
    Best best;
    std::int32_t least_of_all = INT32_MAX;
    for (std::size_t node = 0; node < scan.index.size(); ++node) {
      const std::uint64_t bit = std::uint64_t{1} << (node % 64);
      if ((scan.words[node / 64] & bit) == 0) continue;
      bool passes = true;
      for (const Floor& floor : floors) {
        const std::int32_t value = floor.column[node];
        passes = passes && (floor.table ? floor.table[value] : value) >= floor.least;
      }
      RC_ASSERT(((passed[node / 64] & bit) != 0) == passes);
      least_of_all = std::min(least_of_all, key.of(node));
      if (passes && key.of(node) < best.key) best = Best{key.of(node), node};
    }
    const Best found = scalar_kernels().first_least(scan.words, floors, key);
    RC_ASSERT(found.node == best.node);
    std::vector<std::uint64_t> kept = scan.words;
    scalar_kernels().keep_least(kept, key);
    for (std::size_t node = 0; node < scan.index.size(); ++node) {
      const bool in = (scan.words[node / 64] >> (node % 64) & 1) != 0;
      const bool is_kept = (kept[node / 64] >> (node % 64) & 1) != 0;
      RC_ASSERT(is_kept == (in && key.of(node) == least_of_all));
    }
  }
}

}  // namespace
}  // namespace berth::placement
