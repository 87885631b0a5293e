// SPDX-License-Identifier: Apache-2.0
// Player: who decides where the tasks of a replay go.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/replay/trace.hpp"

namespace berth::replay {

enum class Policy : std::uint8_t {
  Fgd,
  BestFit,
  DotProduct,
  Packing,
  Clustering,
  L2,
  BinpackCpu,
  BinpackMemory,
  Spread,
  Random,
};

struct Strategy {
  Policy policy = Policy::Fgd;
  std::int32_t levels = 100;  // of Fgd, BestFit and DotProduct
  std::uint64_t seed = 42;    // of Random
};

// fgd, bestfit, dotprod, packing, clustering, l2, binpack_cpu, binpack_memory, spread, random: in
// this order.
[[nodiscard]] const std::vector<std::string>& policy_names();
// Errors: none of the above.
[[nodiscard]] Outcome<Policy> parse_policy(const std::string& name);
[[nodiscard]] bool has_levels(Policy policy);

class Player {
 public:
  Player() = default;
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;
  virtual ~Player() = default;

  // Decides and books; nothing where no node takes the task. Tasks never leave. The answer is the
  // node's place in the order of nodes that the player was made with.
  [[nodiscard]] virtual std::optional<std::uint32_t> place(const TraceTask& task) = 0;
};

// Asks every node, in order, by the score functions of the placement engine: slow, plain, and what
// others are compared with. Errors: levels out of range.
[[nodiscard]] Outcome<std::unique_ptr<Player>> exhaustive_player(
    const Trace& trace, const std::vector<std::uint32_t>& node_order, Strategy strategy);

// The same decisions by the placement engine's ScoreTable: only nodes that changed are asked again.
// Errors: also Random, which has no scores.
[[nodiscard]] Outcome<std::unique_ptr<Player>> table_player(
    const Trace& trace, const std::vector<std::uint32_t>& node_order, Strategy strategy);

// What FGD expects: the trace's own tasks by class, the most frequent ones that cover 95 %.
[[nodiscard]] std::vector<placement::TargetClass> target_classes(const Trace& trace);

}  // namespace berth::replay
