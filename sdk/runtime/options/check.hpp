// SPDX-License-Identifier: Apache-2.0
// Whether a host of Berth can act on all that this folder reads of a task definition: asked by the
// plan of a launch type, and again by the agent, which trusts nobody's plan.
//
// Threads: any; pure. Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

// The first member at fault.
[[nodiscard]] sdk::Result<void> check(const v1::ecs::TaskDefinition& task,
                                      const v1::ecs::TaskOverride& overrides);

}  // namespace berth::runtime::options
