// SPDX-License-Identifier: Apache-2.0
// The sizes that a Fargate task can have: ECS's table of CPU and memory.
//
// Threads: any; pure.
#pragma once

#include <cstdint>

namespace berth::fargate {

// cpu in units (1024 are one vCPU), memory in MiB.
[[nodiscard]] bool is_size(std::int64_t cpu, std::int64_t memory_mib);

}  // namespace berth::fargate
