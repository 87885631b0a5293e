// SPDX-License-Identifier: Apache-2.0
// The scans: which nodes pass, and which of them is best, over columns of 32-bit integers.
//
// A set of nodes is a bitmap of 64-bit words, bit i of word w being node 64 w + i. Columns reach to
// the end of the last word. A table is read for nodes of the set only. Each of the three variants
// gives the same answers. Threads: any; they touch what they are given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace berth::placement {

// A node's value is column[node], or table[column[node]] where there is a table.
// A node passes where its value is at least `least`.
struct Floor {
  const std::int32_t* column = nullptr;
  std::int32_t least = 0;
  const std::int32_t* table = nullptr;
  std::uint32_t table_entries = 0;  // as Key's

  [[nodiscard]] bool passes(std::size_t node) const {
    const std::int32_t value = column[node];
    return (table == nullptr ? value : table[value]) >= least;
  }
};

// A node's key is column[node], or table[column[node]] where there is a table. Below INT32_MAX.
struct Key {
  const std::int32_t* column = nullptr;
  const std::int32_t* table = nullptr;
  // How many entries the table has, where the caller knows (0: it does not). Tables of up to eight
  // are read from a register: gathering costs several times a scan.
  std::uint32_t table_entries = 0;

  [[nodiscard]] std::int32_t of(std::size_t node) const {
    const std::int32_t value = column[node];
    return table == nullptr ? value : table[value];
  }
};

struct Best {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::int32_t key = INT32_MAX;
  std::size_t node = kNone;
};

struct Kernels {
  // out |= the nodes of `in` that pass every floor.
  void (*filter)(std::span<const std::uint64_t> in, std::span<const Floor> floors,
                 std::uint64_t* out);
  // The first node of `in` that passes every floor, or Best::kNone. Looks no further.
  std::size_t (*first)(std::span<const std::uint64_t> in, std::span<const Floor> floors);
  // The first node with the least key among the nodes of `in` that pass every floor. Fastest with
  // up to two floors without a table, and a third one with a small table.
  Best (*first_least)(std::span<const std::uint64_t> in, std::span<const Floor> floors, Key key);
  // Keeps the nodes whose key is the least.
  void (*keep_least)(std::span<std::uint64_t> nodes, Key key);
};

[[nodiscard]] const Kernels& scalar_kernels();
// Null where this processor (or the build's) lacks the instructions.
[[nodiscard]] const Kernels* avx2_kernels();
[[nodiscard]] const Kernels* avx512_kernels();

}  // namespace berth::placement
