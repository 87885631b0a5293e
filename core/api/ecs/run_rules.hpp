// SPDX-License-Identifier: Apache-2.0
// What the operations that start or plan tasks check of their input before the core is asked.
//
// Errors: Invalid, Subject::Request or Subject::Definition, with the member in `what`. Threads:
// any.
#pragma once

#include <string>

#include "core/api/ecs/call.hpp"

namespace berth::api {

using Constraints = google::protobuf::RepeatedPtrField<model::PlacementConstraint>;
using Strategies = google::protobuf::RepeatedPtrField<model::PlacementStrategy>;

[[nodiscard]] Result<void> check_constraints(const Call& call, const Constraints& constraints);
[[nodiscard]] Result<void> check_strategies(const Strategies& strategies);
// Also puts task sizes into the form that a registration gives them.
[[nodiscard]] Result<void> check_overrides(ecs::TaskOverride& overrides);
[[nodiscard]] Result<void> check_started_by(const std::string& started_by);
[[nodiscard]] Result<void> check_propagated(const std::string& propagate_tags);

}  // namespace berth::api
