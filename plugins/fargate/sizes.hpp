// SPDX-License-Identifier: Apache-2.0
// The sizes that a Fargate task can have: ECS's table of CPU and memory.
//
// Threads: any; pure.
#pragma once

#include <cstdint>

#include "berth/v1/ecs/task.pb.h"
#include "berth/v1/ecs/task_definition.pb.h"

namespace berth::fargate {

// cpu in units (1024 are one vCPU), memory in MiB.
[[nodiscard]] bool is_size(std::int64_t cpu, std::int64_t memory_mib);

// Whether the disk that they ask for may be had: 21 to 200 GiB. True where they ask for none, and
// have 20.
[[nodiscard]] bool is_storage(const v1::ecs::TaskDefinition& definition,
                              const v1::ecs::TaskOverride& overrides);

}  // namespace berth::fargate
