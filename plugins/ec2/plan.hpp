// SPDX-License-Identifier: Apache-2.0
// Whether this launch type can run a task, and what it then needs of a node.
//
// Threads: any; pure.
#pragma once

#include "berth/v1/launch.pb.h"

namespace berth::ec2 {

[[nodiscard]] v1::PlanResponse plan_task(const v1::PlanRequest& request);

}  // namespace berth::ec2
