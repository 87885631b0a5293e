// SPDX-License-Identifier: Apache-2.0
// What of a task definition and its overrides this launch type does not act on yet: each named, none ignored.
//
// README.md holds the same list for operators; a test compares the two.
// Threads: any; pure.
#pragma once

#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth::ec2 {

// One refusal for each member that is set and not acted on, in the order of the definition.
[[nodiscard]] std::vector<v1::Refusal> find_refusals(const v1::PlanRequest& request);

}  // namespace berth::ec2
