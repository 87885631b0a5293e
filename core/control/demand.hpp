// SPDX-License-Identifier: Apache-2.0
// What tasks of one kind ask of placement, in messages; and the same in the engine's form.
//
// Threads: any.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "berth/v1/resources.pb.h"
#include "core/control/strategies.hpp"
#include "core/model/error.hpp"
#include "core/model/ids.hpp"
#include "core/placement/types.hpp"

namespace berth::control {

// Where tasks of one kind may go: one way to run them, with each serving plugin's needs.
struct Demand {
  ClusterName cluster{};
  std::string group{};
  std::string service{};  // of a service's tasks: spread and distinctInstance count these
  std::string capacity_provider{};
  std::vector<std::pair<PluginName, v1::Requirement>> needs{};
  std::vector<model::PlacementConstraint> constraints{};
  std::vector<model::PlacementStrategy> strategies{};
  std::vector<std::string> zones{};  // those of the subnets named; empty: any
  // Onto a pool, whose nodes nobody sees: evenly over zones, and packed within each. Strategies say
  // nothing then.
  bool pooled = false;
};

// Errors: Invalid, Subject::Request, for a constraint or strategy; `what` names the member.
[[nodiscard]] Result<placement::Request> request_of(const Demand& demand,
                                                    const StrategyRules& rules);
// Equal bytes for demands that mean the same request, and for no others. A definition and its
// overrides are in it by the needs that follow from them.
[[nodiscard]] std::string key_of(const Demand& demand);

// The engine's refusal of a request as the caller gets it.
[[nodiscard]] Error refused_request(const placement::Error& error);

}  // namespace berth::control
