// SPDX-License-Identifier: Apache-2.0
// Scan: the decision by looking at every node, with the vectorised kernels: what the indexes fall
// back to, for strategies in any order.
//
// Cost: a few bytes of columns a node, 0.1 to 0.3 ns a byte. Threads: one at a time: it keeps
// scratch space.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/kernels.hpp"
#include "core/placement/narrow.hpp"
#include "core/placement/node_index.hpp"

namespace berth::placement {

class Scan {
 public:
  explicit Scan(const Kernels& kernels)
      : kernels_(kernels),
        narrow_(&kernels == &scalar_kernels() ? first_least_scalar : first_least_avx2) {}

  struct Question {
    std::uint64_t dice = 0;
    bool passes_all = false;  // cpu and memory alone decide which nodes pass
  };
  // Requires: refresh_verdicts, and a node.
  [[nodiscard]] std::optional<std::uint32_t> decide(Compiled& compiled, const Books& books,
                                                    const NodeColumns& columns, Question question);
  // The same for routes that are `one_pass`, at about the price of looking at two columns. Not
  // made: it takes more than that. Requires: as decide.
  struct Decision {
    bool is_made = false;
    std::optional<std::uint32_t> node{};
  };
  [[nodiscard]] Decision decide_in_one_pass(Compiled& compiled, const Books& books,
                                            const NodeColumns& columns, Question question);
  // The nodes that the first `count` strategies leave, ascending. Requires: as decide; none of them
  // is Random or scored.
  [[nodiscard]] std::vector<std::uint32_t> leave(Compiled& compiled, std::size_t count,
                                                 const Books& books, const NodeColumns& columns);

 private:
  using Bitmap = std::vector<std::uint64_t>;

  void gather(Compiled& compiled, const Books& books, const NodeColumns& columns);
  [[nodiscard]] Decision decide_among(const Compiled& compiled, const Books& books,
                                      const NodeColumns& columns, std::span<const Floor> floors,
                                      std::uint64_t dice);
  [[nodiscard]] std::size_t first_least_narrow(const Compiled& compiled,
                                               const NodeColumns& columns) const;
  // All nodes, as a bitmap.
  [[nodiscard]] const Bitmap& all(const NodeColumns& columns);
  void strike_out(Compiled& compiled, std::size_t plan, const Books& books, Bitmap& nodes);
  // Valid until the next call.
  [[nodiscard]] Key key_of(std::size_t strategy, const Compiled& compiled, const Books& books,
                           const NodeColumns& columns);

  const Kernels& kernels_;
  std::size_t (*narrow_)(const NarrowScan&);
  Bitmap candidates_;
  Bitmap part_;
  Bitmap all_;
  std::vector<Floor> floors_;
  std::vector<std::int32_t> by_class_;
  std::vector<std::int32_t> by_node_;
};

// The first node of a bitmap at or after `start`, going round. Requires: start is below its end.
[[nodiscard]] std::optional<std::uint32_t> first_from(std::span<const std::uint64_t> nodes,
                                                      std::uint32_t start);
// Keeps of few nodes those that one strategy, which is not scored, leaves. Requires: nodes
// ascending, not empty.
void narrow_by(std::vector<std::uint32_t>& nodes, const Compiled& compiled, std::size_t strategy,
               const Books& books, std::uint64_t dice);
// Chooses among few nodes by the strategies from `first` on. Requires: nodes ascending, not empty.
[[nodiscard]] std::uint32_t narrow(std::vector<std::uint32_t> nodes, const Compiled& compiled,
                                   std::size_t first, const Books& books, std::uint64_t dice);

}  // namespace berth::placement
