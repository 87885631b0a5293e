// SPDX-License-Identifier: Apache-2.0
// Whether Fargate can run a task, and what it then needs of a host of the pool.
//
// Threads: any; pure.
#pragma once

#include "berth/v1/launch.pb.h"

namespace berth::fargate {

inline constexpr const char* kLaunchType = "FARGATE";

[[nodiscard]] v1::PlanResponse plan_task(const v1::PlanRequest& request);

}  // namespace berth::fargate
