// SPDX-License-Identifier: Apache-2.0
// [placement] of berth.toml: strategies beyond ECS's, and what holds where a request names none.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/daemon/config.hpp"
#include "core/daemon/config_section.hpp"
#include "core/placement/engine.hpp"
#include "core/placement/types.hpp"

namespace berth::daemon {

// Errors: Invalid, with file, line and key.
[[nodiscard]] Refusal read_placement(std::string_view file, const toml::node& node,
                                     PlacementSection& out);

// The expected tasks in the engine's form.
[[nodiscard]] std::vector<placement::ExpectedTask> expected_tasks(const PlacementSection& section);

// How much the engine may keep.
[[nodiscard]] placement::EngineOptions engine_options(const PlacementSection& section);

}  // namespace berth::daemon
