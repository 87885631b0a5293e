// SPDX-License-Identifier: Apache-2.0
// The rules of check_definition that concern containers, in groups; for definition*.cpp only.
//
// Errors: Invalid, Subject::Definition. Threads: any.
#pragma once

#include <string>

#include "core/api/ecs/definition.hpp"

namespace berth::api {

[[nodiscard]] tl::unexpected<Error> refuse_definition(std::string text, std::string path);

// Each container by itself, and what it refers to.
[[nodiscard]] Result<void> check_containers(const Registration& request);
// dependsOn, links and volumesFrom: known names, no cycles.
[[nodiscard]] Result<void> check_dependencies(const Registration& request);
[[nodiscard]] Result<void> check_ports(const Registration& request);

}  // namespace berth::api
