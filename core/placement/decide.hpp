// SPDX-License-Identifier: Apache-2.0
// Decider: which node a task gets. Reads the books, reserves nothing.
//
// Threads: one at a time: it keeps scratch space between decisions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/kernels.hpp"
#include "core/placement/value_column.hpp"

namespace berth::placement {

class Decider {
 public:
  explicit Decider(const Kernels& kernels) : kernels_(kernels) {}

  // The node, or nothing where none passes every check. Brings `compiled` up to date.
  [[nodiscard]] std::optional<std::uint32_t> decide(Compiled& compiled, const Books& books,
                                                    std::uint64_t dice);

  // Requests announce the attributes that they spread over, and take that back.
  void acquire(const Compiled& compiled);
  void release(const Compiled& compiled);

  static constexpr std::uint32_t kProbes = 32;

 private:
  struct Spread {
    ValueColumn values;
    std::uint32_t requests = 0;
  };
  using Bitmap = std::vector<std::uint64_t>;

  [[nodiscard]] std::optional<std::uint32_t> random_probe(const Compiled& compiled,
                                                          const Books& books,
                                                          std::uint64_t dice) const;
  [[nodiscard]] std::optional<std::uint32_t> random_among(const Bitmap& nodes,
                                                          std::uint64_t dice) const;
  [[nodiscard]] std::optional<std::uint32_t> best_in_one_pass(const Compiled& compiled,
                                                              const Books& books);
  [[nodiscard]] std::optional<std::uint32_t> narrow(const Compiled& compiled, const Books& books,
                                                    std::uint64_t dice);
  void gather_candidates(const Compiled& compiled, const Books& books);
  void strike_out(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                  Bitmap& nodes) const;
  [[nodiscard]] std::span<const Floor> floors_of(const OwnerPlan& plan, const Books& books);
  // The strategy's key; scratch holds it until clear_key.
  [[nodiscard]] Key key_of(const Strategy& strategy, const Compiled& compiled, const Books& books);
  void clear_key(const Strategy& strategy, const Compiled& compiled, const Books& books);

  const Kernels& kernels_;
  std::map<std::string, Spread, std::less<>> spreads_;
  Bitmap candidates_;
  Bitmap part_;
  std::vector<Floor> floors_;
  std::vector<std::int32_t> tasks_of_node_;   // all 0 between decisions
  std::vector<std::int32_t> tasks_of_value_;  // likewise
};

}  // namespace berth::placement
