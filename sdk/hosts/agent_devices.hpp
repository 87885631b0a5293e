// SPDX-License-Identifier: Apache-2.0
// What a task asks of its host's devices: resourceRequirements of type GPU.
//
// A value is a number of whole devices, or a part of one ("0.25": a quarter of its compute).
// sharingStrategy.nvidiaMps is a part by percent of its compute and MiB of its memory. Threads:
// any; pure.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::hosts {

// Adds the needs of all containers to the requirement, in their order. An override of a container's
// requirements replaces them. Errors: INVALID, with the member.
[[nodiscard]] sdk::Result<void> add_devices(const v1::ecs::TaskDefinition& definition,
                                            const v1::ecs::TaskOverride& overrides,
                                            v1::Requirement& requirement);

}  // namespace berth::hosts
