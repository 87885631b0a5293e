// SPDX-License-Identifier: Apache-2.0
// Whether agents can run a task, and what it then needs of a node.
//
// A launch type asks this first and adds what it refuses itself. Threads: any; pure.
#pragma once

#include <string>

#include "berth/v1/launch.pb.h"

namespace berth::hosts {

// `launch_type` is how the messages call the one that is asked: "EC2".
[[nodiscard]] v1::PlanResponse plan_for_agents(const v1::PlanRequest& request,
                                               const std::string& launch_type);

// The same for container instances: what only pools have is refused in ECS's words.
[[nodiscard]] v1::PlanResponse plan_for_instances(const v1::PlanRequest& request,
                                                  const std::string& launch_type);

// One more refusal: what cannot be run needs nothing.
void refuse(v1::PlanResponse& plan, v1::Refusal::Error error, const std::string& member,
            const std::string& message);

}  // namespace berth::hosts
