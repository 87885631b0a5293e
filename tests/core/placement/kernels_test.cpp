// SPDX-License-Identifier: Apache-2.0
#include "core/placement/kernels.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace berth::placement {
namespace {

struct Scan {
  std::vector<std::uint64_t> words;
  std::vector<std::int32_t> column;
  std::vector<std::int32_t> key;
  std::vector<std::int32_t> table;
};

Scan draw_scan() {
  Scan scan;
  const auto words = *rc::gen::inRange<std::size_t>(1, 6);
  scan.words =
      *rc::gen::container<std::vector<std::uint64_t>>(words, rc::gen::arbitrary<std::uint64_t>());
  if (*rc::gen::arbitrary<bool>()) scan.words.front() = 0;
  scan.column = *rc::gen::container<std::vector<std::int32_t>>(words * 64, rc::gen::inRange(-3, 9));
  scan.key = *rc::gen::container<std::vector<std::int32_t>>(words * 64, rc::gen::inRange(0, 7));
  scan.table = *rc::gen::container<std::vector<std::int32_t>>(7, rc::gen::inRange(0, 4));
  return scan;
}

void compare(const Kernels* wide) {
  if (wide == nullptr) return;  // this processor lacks it
  const Kernels& plain = scalar_kernels();
  const Scan scan = draw_scan();
  const std::vector<Floor> floors = {{scan.column.data(), *rc::gen::inRange(-4, 9)},
                                     {scan.key.data(), 1}};
  std::vector<std::uint64_t> a(scan.words.size(), 0x10);
  std::vector<std::uint64_t> b = a;
  plain.filter(scan.words, floors, a.data());
  wide->filter(scan.words, floors, b.data());
  RC_ASSERT(a == b);
  for (const Key key : {Key{scan.key.data()}, Key{scan.key.data(), scan.table.data()}}) {
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

}  // namespace
}  // namespace berth::placement
