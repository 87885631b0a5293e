// SPDX-License-Identifier: Apache-2.0
// The health check of one container: when it is due, and what its results come to, by Docker's and ECS's rules.
//
// Invariants: 1. Pure: no clock, no I/O. 2. A check is due an interval after the program's start, then an interval after each
// check's end. 3. UNKNOWN until the first success, or until so many failures in a row as `retries` says; failures of
// checks that began within the start period do not count before the first success.
// Threads: one at a time for each state. Errors: INVALID with the member at fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/runtime/task_state.pb.h"
#include "berth/v1/ecs/task_definition.pb.h"

namespace berth::runtime {

struct HealthPlan {
  std::vector<std::string> args;  // of CMD, or of the container's /bin/sh for CMD-SHELL
  std::int64_t interval_ms = 30'000;
  std::int64_t timeout_ms = 5'000;
  std::uint32_t retries = 3;
  std::int64_t start_period_ms = 0;
};

// What a check came to.
struct HealthResult {
  std::optional<int> exit_code;  // absent: it was killed after its timeout, or could not be run
  std::string output;            // what it printed, or why it could not be run
  std::int64_t began_ms = 0;
  bool cancelled = false;        // it was killed since nobody asks any more: tells nothing of the container
};

// At most as much of a check's output is kept.
inline constexpr std::size_t kMostHealthOutput = 4096;

// Nothing for a container without a check, or with {"NONE"}. `field` is the path of the member. The image's HEALTHCHECK counts for nothing.
sdk::Result<std::optional<HealthPlan>> read_health_check(const v1::ecs::ContainerDefinition& definition,
                                                         const std::string& field);

// The program has started (again): all that was known before is of another program.
void begin_health(HealthState& state, std::int64_t now_ms);

void fold_health(const HealthPlan& plan, HealthState& state, const HealthResult& result, std::int64_t now_ms);

// When the next check is to begin.
[[nodiscard]] std::int64_t health_due_ms(const HealthPlan& plan, const HealthState& state);

// "HEALTHY", "UNHEALTHY", "UNKNOWN".
[[nodiscard]] const char* health_word(HealthState::Status status);

}  // namespace berth::runtime
