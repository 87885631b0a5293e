// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/replay.hpp"

#include <chrono>
#include <utility>

namespace berth::replay {

std::optional<double> Outline::unallocated_percent_at(std::int32_t arrived_percent) const {
  const auto found = allocated_percent.find(arrived_percent);
  if (found == allocated_percent.end()) return std::nullopt;
  return 100 - found->second;
}

Outline replay(const Trace& trace, const Arrivals& arrivals, Player& player) {
  struct Sum {
    double allocated = 0;
    std::size_t count = 0;
  };
  Outline out{.arrivals = arrivals.tasks.size(), .gpu_milli = trace.gpu_milli()};
  out.places.reserve(out.arrivals);
  const auto total = static_cast<double>(out.gpu_milli);
  std::map<std::int32_t, Sum> sums;
  std::int64_t arrived = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const std::uint32_t row : arrivals.tasks) {
    const TraceTask& task = trace.tasks[row];
    arrived += task.gpu_milli();
    const std::optional<std::uint32_t> place = player.place(task);
    out.places.push_back(place ? std::optional(arrivals.nodes[*place]) : std::nullopt);
    if (place) {
      ++out.placed;
      out.gpu_milli_placed += task.gpu_milli();
    } else {
      ++out.failed;
    }
    // Halves round up; in integers.
    const auto percent = static_cast<std::int32_t>((arrived * 200 / out.gpu_milli + 1) / 2);
    Sum& sum = sums[percent];
    sum.allocated += 100 * static_cast<double>(out.gpu_milli_placed) / total;
    ++sum.count;
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& [percent, sum] : sums) {
    out.allocated_percent[percent] = sum.allocated / static_cast<double>(sum.count);
  }
  return out;
}

}  // namespace berth::replay
