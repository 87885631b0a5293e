// SPDX-License-Identifier: Apache-2.0
// The pure parts of RunTask: what follows from a request and a definition alone.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "berth/v1/launch.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::control {

// Errors: Invalid where the definition was registered for other launch types only.
[[nodiscard]] Result<void> check_compatible(const TaskDefinition& definition,
                                            const std::string& launch_type);
// What no operation that starts tasks does. Errors: Invalid or Unimplemented; the member is named.
[[nodiscard]] Result<void> check_supported(const model::RunTaskRequest& request,
                                           const std::string& operation);
// Whether its items go together; `member` is what the request calls them. Errors: Invalid.
[[nodiscard]] Result<void> check_provider_items(
    const std::vector<model::CapacityProviderStrategyItem>& strategy, const std::string& member);
// The same, and whether tasks can be run by it. A cluster's default may be one that cannot, as on
// ECS.
[[nodiscard]] Result<void> check_provider_strategy(
    const std::vector<model::CapacityProviderStrategyItem>& strategy);
// Why a launch type has no plugin.
[[nodiscard]] Error nobody_serves(const std::string& launch_type);
// A plugin's refusal as the caller gets it; it names the member.
[[nodiscard]] Error error_of(const v1::Refusal& refusal);

[[nodiscard]] v1::PlanRequest plan_request(const TaskDefinition& definition,
                                           const model::RunTaskRequest& request,
                                           const std::string& launch_type,
                                           const std::string& capacity_provider);
// Those that the definition brings along.
[[nodiscard]] std::vector<model::PlacementConstraint> constraints_of(
    const TaskDefinition& definition);
[[nodiscard]] std::string group_of(const model::RunTaskRequest& request,
                                   const TaskDefinition& definition);
// What the request and the definition say of the launch: not where, nor what it needs.
[[nodiscard]] Launch launch_of(const model::RunTaskRequest& request, const Cluster& cluster,
                               const TaskDefinition& definition);

// How many of `count` tasks each share gets: first every base, then by weight.
struct Share {
  std::int32_t base = 0;
  std::int32_t weight = 1;
};
[[nodiscard]] std::vector<int> split(int count, const std::vector<Share>& shares);

}  // namespace berth::control
