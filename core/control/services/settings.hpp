// SPDX-License-Identifier: Apache-2.0
// What a service is to be, from what CreateService and UpdateService say.
//
// Threads: any.
#pragma once

#include "core/control/commands.hpp"

namespace berth::control {

// The record's settings, ECS's defaults filled in.
[[nodiscard]] model::StoredService service_of(const model::CreateServiceRequest& request,
                                              const DefinitionId& definition);

// Whether what it says of Availability Zone rebalancing goes with its other settings.
// Errors: Invalid, Subject::Request.
[[nodiscard]] Result<void> check_rebalancing(const model::StoredService& service);

// What depends on the record. Errors: Precondition, Subject::Service; Invalid, Subject::Request.
[[nodiscard]] Result<void> check_update(const Service& service, const UpdateService& command);
// Requires: taskDefinition, where given, is "family:revision".
[[nodiscard]] model::StoredService updated(const model::StoredService& before,
                                           const UpdateService& command);
// Whether the change is one that replaces tasks.
[[nodiscard]] bool begins_deployment(const model::StoredService& before,
                                     const model::StoredService& after,
                                     const UpdateService& command);

// What a plan depends on.
[[nodiscard]] model::RunTaskRequest plan_part(const model::CreateServiceRequest& request);
[[nodiscard]] model::RunTaskRequest plan_part(const model::StoredService& service);

}  // namespace berth::control
