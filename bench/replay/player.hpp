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

// The placement engine, nodes in this order, a request for each kind of task. `trace` lives longer
// than the player. Errors: levels out of range, amounts that the engine refuses.
[[nodiscard]] Outcome<std::unique_ptr<Player>> engine_player(
    const Trace& trace, const std::vector<std::uint32_t>& node_order, Strategy strategy);

// Asks every node, in order, by the score functions and plain books of its own: slow, and what the
// engine is compared with. Same decisions, but for Random, which here draws any fitting node and
// device with equal chance. Errors: levels out of range.
[[nodiscard]] Outcome<std::unique_ptr<Player>> exhaustive_player(
    const Trace& trace, const std::vector<std::uint32_t>& node_order, Strategy strategy);

// What FGD expects: the trace's own tasks by class, the most frequent ones that cover 95 %.
[[nodiscard]] std::vector<placement::TargetClass> target_classes(const Trace& trace);

}  // namespace berth::replay
