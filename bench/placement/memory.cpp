// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/memory.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench/placement/engine_player.hpp"

namespace berth::bench {
namespace {

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

template <typename Engine>
MemoryReport::Claim claim_of(const Engine& engine) {
  if constexpr (requires { engine.memory(); }) {
    const auto use = engine.memory();
    return {true, use.nodes, use.tasks, use.groups, use.caches};
  } else {
    return {};
  }
}

std::size_t count_pairs(const Load& load) {
  std::vector<std::uint64_t> pairs;
  pairs.reserve(load.running.size());
  for (const Running& task : load.running)
    pairs.push_back(std::uint64_t{task.node} << 32 | task.group);
  std::sort(pairs.begin(), pairs.end());
  return static_cast<std::size_t>(std::unique(pairs.begin(), pairs.end()) - pairs.begin());
}

// In the order of a start.
MemoryReport build(const Load& load, Plan plan) {
  MemoryReport out;
  out.nodes = load.hosts.size();
  out.tasks = load.running.size();
  out.pairs = count_pairs(load);
  const std::size_t empty = heap_bytes();
  EnginePlayer player(EnginePlayer::Empty{});
  player.add_nodes(load);
  const std::size_t with_nodes = heap_bytes();
  player.adopt_tasks(load);
  // Tickets are the player's, not the engine's.
  const std::size_t tickets = load.running.size() * sizeof(EnginePlayer::Ticket);
  const std::size_t with_tasks = heap_bytes() - tickets;
  player.compile_requests(load, plan);
  out.node_bytes = with_nodes - empty;
  out.task_bytes = with_tasks - with_nodes;
  out.request_bytes = heap_bytes() - tickets - with_tasks;
  out.claim = claim_of(player.engine());
  return out;
}

}  // namespace

MemoryReport measure_memory(const LoadSize& size, Plan plan) {
  Load load = make_load(size);
  MemoryReport out = build(load, plan);
  for (Running& task : load.running) task.group = 0;
  const MemoryReport one_group = build(load, plan);
  out.bytes_per_pair =
      (static_cast<double>(out.task_bytes) - static_cast<double>(one_group.task_bytes)) /
      static_cast<double>(out.pairs - one_group.pairs);
  return out;
}

}  // namespace berth::bench
