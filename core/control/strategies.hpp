// SPDX-License-Identifier: Apache-2.0
// Placement strategies as requests name them, in the engine's form: ECS's, and those beyond ECS's
// that the operator allows.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "core/model/error.hpp"
#include "core/placement/types.hpp"

namespace berth::control {

struct StrategyRules {
  // Types beyond ECS's that requests may name, in any case of letters; "affinity" is one of them.
  std::vector<std::string> allowed{};
  // Where a request names none; empty: ECS's defaults. Of any kind but affinity.
  std::vector<model::PlacementStrategy> defaults{};
  // What the strategy fragmentation measures by; it is refused where there are none.
  std::vector<placement::ExpectedTask> expected_tasks{};
};

// Adds them to the request. Of several entries of type affinity the terms add up, at the place of
// the first; the field of one is "EXPRESSION" or "WEIGHT:EXPRESSION", and a negative weight repels.
// Errors: Invalid, Subject::Request; `what` names the member.
[[nodiscard]] Result<void> add_strategies(const StrategyRules& rules,
                                          const std::vector<model::PlacementStrategy>& asked,
                                          placement::Request& request);

// How tasks are placed onto a pool: evenly over zones, and packed by CPU and memory within each.
[[nodiscard]] std::vector<placement::Strategy> pool_strategies();

struct Demand;

// The strategies in force, as ECS spells them: the default where none is asked for, which for the
// tasks of services is another.
[[nodiscard]] std::vector<model::PlacementStrategy> strategies_in_force(const StrategyRules& rules,
                                                                        const Demand& demand);

}  // namespace berth::control
