// SPDX-License-Identifier: Apache-2.0
#include "tests/core/placement/scale_in_oracle.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace berth::placement::testing {
namespace {

struct Known {
  ReservationId id = ReservationId::None;
  std::uint32_t node = 0;
  std::size_t drawn = 0;  // its place among the candidates that are any
};

bool is_of(const Request& request, const Oracle::Task& task) {
  return task.counted &&
         (request.service.empty() ? task.group == request.group : task.service == request.service);
}

// The node whose task this is, where it is one that may be chosen.
std::optional<std::uint32_t> node_of(const Oracle& oracle, const Request& request,
                                     ReservationId id) {
  for (std::uint32_t node = 0; node < oracle.nodes.size(); ++node) {
    if (!oracle.nodes[node]) continue;
    for (const Oracle::Task& task : oracle.nodes[node]->tasks) {
      if (task.reservation == id && is_of(request, task)) return node;
    }
  }
  return std::nullopt;
}

void stop(Oracle& oracle, const Known& known) {
  std::erase_if(oracle.nodes[known.node]->tasks,
                [&](const Oracle::Task& task) { return task.reservation == known.id; });
}

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::int64_t tasks_with_value(const Oracle& oracle, const Request& request,
                              const std::string& attribute, std::uint32_t node) {
  std::int64_t out = 0;
  for (std::uint32_t other = 0; other < oracle.nodes.size(); ++other) {
    const std::int64_t here = oracle.nodes[other] ? oracle.counted(request, other) : 0;
    if (here > 0 && oracle.value(other, attribute) == oracle.value(node, attribute)) out += here;
  }
  return out;
}

std::int64_t key(const Oracle& oracle, const Request& request, const Strategy& strategy,
                 const Known& known, std::uint64_t dice) {
  Oracle after;
  switch (strategy.kind) {
    case Strategy::Kind::SpreadInstance:
      return oracle.counted(request, known.node);
    case Strategy::Kind::SpreadAttribute:
      return tasks_with_value(oracle, request, strategy.attribute, known.node);
    case Strategy::Kind::Random:
      return static_cast<std::int64_t>(mix(mix(dice) + (known.drawn + 1) * 0x9E3779B97F4A7C15) >>
                                       1);
    case Strategy::Kind::BinpackCpu:
    case Strategy::Kind::BinpackMemory:
      break;
    default:  // scores say where a task should go, not which one
      return 0;
  }
  after.nodes.resize(known.node + 1);
  after.nodes[known.node] = oracle.nodes[known.node];
  stop(after, known);
  const Oracle::Node& node = *after.nodes[known.node];
  return strategy.kind == Strategy::Kind::BinpackCpu ? cpu_left(node) : memory_left(node);
}

}  // namespace

std::vector<ReservationId> stops(Oracle oracle, const Request& request,
                                 const StopQuestion& question) {
  std::vector<Known> candidates;
  for (const ReservationId id : question.candidates) {
    const bool again = std::any_of(candidates.begin(), candidates.end(),
                                   [&](const Known& known) { return known.id == id; });
    const auto node = node_of(oracle, request, id);
    if (node && !again) candidates.push_back({id, *node, candidates.size()});
  }
  auto strategies = request.strategies;
  if (strategies.empty())
    strategies =
        request.service.empty() ? run_task_default_strategies() : service_default_strategies();
  std::vector<ReservationId> out;
  while (out.size() < question.count && !candidates.empty()) {
    std::vector<Known> rest = candidates;
    for (const Strategy& strategy : strategies) {
      std::vector<std::int64_t> keys;
      for (const Known& known : rest)
        keys.push_back(key(oracle, request, strategy, known, question.dice));
      const std::int64_t most = *std::max_element(keys.begin(), keys.end());
      std::vector<Known> kept;
      for (std::size_t i = 0; i < rest.size(); ++i) {
        if (keys[i] == most) kept.push_back(rest[i]);
      }
      rest = kept;
    }
    out.push_back(rest.front().id);
    stop(oracle, rest.front());
    std::erase_if(candidates, [&](const Known& known) { return known.id == out.back(); });
  }
  return out;
}

}  // namespace berth::placement::testing
