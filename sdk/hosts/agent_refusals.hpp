// SPDX-License-Identifier: Apache-2.0
// What of a task definition and its overrides agents do not act on yet: each named, none ignored.
//
// plugins/ec2/README.md holds the same list for operators; a test compares the two.
// Threads: any; pure.
#pragma once

#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth::hosts {

// One refusal for each member that is set and not acted on, in the order of the definition.
// `launch_type` is how the messages call the one that is asked: "EC2".
[[nodiscard]] std::vector<v1::Refusal> find_refusals(const v1::PlanRequest& request,
                                                     const std::string& launch_type);

}  // namespace berth::hosts
