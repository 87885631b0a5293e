// SPDX-License-Identifier: Apache-2.0
// Hosts: the cluster of a replay, what its tasks hold, and how good a host is for a task.
//
// Plain books, without any index. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bench/replay/player.hpp"
#include "bench/replay/trace.hpp"
#include "core/placement/scores.hpp"

namespace berth::replay {

struct Host {
  std::int64_t cpu = 0;  // what it has in all
  std::int64_t memory_mib = 0;
  std::int64_t cpu_left = 0;
  std::int64_t memory_left_mib = 0;
  std::int64_t gpu_left_milli = 0;
  std::vector<placement::DeviceFree> devices{};
  std::vector<std::int32_t> kinds{};  // of device tasks: 0 for parts, else the number of devices
  std::int32_t tasks = 0;

  [[nodiscard]] bool fits(const TraceTask& task) const;
};

class Hosts {
 public:
  // In this order. Errors: levels out of range, tasks that FGD cannot expect.
  [[nodiscard]] static Outcome<Hosts> make(const Trace& trace,
                                           const std::vector<std::uint32_t>& node_order,
                                           Strategy strategy);

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(hosts_.size()); }
  [[nodiscard]] const Host& operator[](std::uint32_t node) const { return hosts_[node]; }
  [[nodiscard]] const Strategy& strategy() const { return strategy_; }
  // How good the host is by the strategy, and which device the task would get (the first, of
  // several; any number, of none). Requires: the task fits; the strategy is not Random.
  [[nodiscard]] placement::DeviceChoice choose(std::uint32_t node, const TraceTask& task) const;
  // Requires: the task fits, its devices from `device` on.
  void book(std::uint32_t node, const TraceTask& task, std::size_t device);

 private:
  Hosts() = default;
  [[nodiscard]] std::int32_t score(const Host& host, const TraceTask& task) const;
  [[nodiscard]] std::int32_t clustering(const Host& host, const placement::DeviceAsk& ask) const;

  // The largest node's amounts: what the scores of the FGD study measure by.
  struct Scale {
    std::int64_t cpu = 1;
    std::int64_t gpu_milli = 1;
  };

  Strategy strategy_;
  std::optional<placement::Fragmentation> fragmentation_;
  Scale scale_;
  std::vector<Host> hosts_;
};

}  // namespace berth::replay
