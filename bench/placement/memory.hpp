// SPDX-License-Identifier: Apache-2.0
// What the engine holds in memory: measured at the heap, beside what it says itself.
//
// Measure before anything else fills the heap. Threads: none but the caller may allocate meanwhile.
#pragma once

#include <cstddef>

#include "bench/placement/load.hpp"

namespace berth::bench {

// In bytes where no other unit is named.
struct MemoryReport {
  std::size_t nodes = 0;  // how many
  std::size_t tasks = 0;
  std::size_t pairs = 0;  // of a group and a node with a task of it

  // Growth of the heap as the cluster is built.
  std::size_t node_bytes = 0;
  std::size_t task_bytes = 0;     // reservations, and counts by group and node
  double bytes_per_pair = 0;      // what tasks of many groups cost more than as many of one
  std::size_t request_bytes = 0;  // compiled requests, and what their first decisions leave behind

  // What Engine::memory says, where the engine has it.
  struct Claim {
    bool made = false;
    std::size_t nodes = 0;
    std::size_t tasks = 0;
    std::size_t groups = 0;
    std::size_t caches = 0;
  };
  Claim claim{};
};

[[nodiscard]] MemoryReport measure_memory(const LoadSize& size, Plan plan);

}  // namespace berth::bench
