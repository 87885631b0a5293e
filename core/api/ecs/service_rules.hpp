// SPDX-License-Identifier: Apache-2.0
// What CreateService and UpdateService may say, as far as the request alone decides it; and what
// Berth refuses by name.
//
// Threads: any.
#pragma once

#include "berth/model/ecs_services.pb.h"
#include "core/api/ecs/call.hpp"

namespace berth::api {

// Errors: Invalid, Subject::Request; Unimplemented, Subject::Feature. The member is named.
[[nodiscard]] Result<void> check_create_service(const Call& call,
                                                const model::CreateServiceRequest& request);
[[nodiscard]] Result<void> check_update_service(const Call& call,
                                                const model::UpdateServiceRequest& request);

}  // namespace berth::api
