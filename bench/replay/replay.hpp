// SPDX-License-Identifier: Apache-2.0
// One replay: tasks come one by one, each is tried once, none leaves; what share of the cluster's
// GPUs is given away as more and more are asked for.
//
// Threads: any; functions of their arguments (but for the clock that `seconds` is read from).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/replay/player.hpp"
#include "bench/replay/trace.hpp"

namespace berth::replay {

struct Outline {
  std::size_t arrivals = 0;
  std::size_t placed = 0;
  std::size_t failed = 0;
  std::int64_t gpu_milli = 0;         // of the cluster
  std::int64_t gpu_milli_placed = 0;  // at the end
  double seconds = 0;                 // of all decisions
  // Of each arrival, by its row in the trace; nothing where it was not placed.
  std::vector<std::optional<std::uint32_t>> places{};
  // By percent of the cluster's GPUs that all tasks so far ask for, placed or not, rounded: the
  // mean over these arrivals of the percent that is given away.
  std::map<std::int32_t, double> allocated_percent{};

  // Nothing where no arrival rounds to it.
  [[nodiscard]] std::optional<double> unallocated_percent_at(std::int32_t arrived_percent) const;
};

[[nodiscard]] Outline replay(const Trace& trace, const Arrivals& arrivals, Player& player);

// One JSON object on one line, or a table for people.
struct Titles {
  std::string strategy;
  std::optional<std::int32_t> levels{};  // where the strategy has any
  std::string arrivals;                  // a file, or "seed 42"
};
[[nodiscard]] std::string as_json(const Outline& outline, const Titles& titles);
[[nodiscard]] std::string as_table(const Outline& outline, const Titles& titles);
// CSV with the columns task and node, by name: a row for each arrival, node empty where it was not
// placed. `outline` is of these arrivals.
[[nodiscard]] std::string places_as_csv(const Outline& outline, const Trace& trace,
                                        const Arrivals& arrivals);
// What FGD expects of this trace, as [[placement.expected_task]] of berth.toml.
[[nodiscard]] std::string expected_as_toml(const Trace& trace);

}  // namespace berth::replay
