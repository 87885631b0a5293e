// SPDX-License-Identifier: Apache-2.0
// What a task definition may not ask of Fargate, in ECS's words.
//
// README.md holds the same list for operators; a test compares the two.
// Threads: any; pure.
#pragma once

#include <string>
#include <vector>

#include "berth/v1/ecs/task_definition.pb.h"

namespace berth::fargate {

struct Forbidden {
  std::string member;   // path
  std::string message;  // a sentence
};

// In the order of the definition; sizes are not looked at.
[[nodiscard]] std::vector<Forbidden> find_forbidden(const v1::ecs::TaskDefinition& definition);

}  // namespace berth::fargate
