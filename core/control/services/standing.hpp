// SPDX-License-Identifier: Apache-2.0
// What a service's task is good for, from its record: ECS's rules of health.
//
// Without health checks on essential containers a task is healthy once it has been RUNNING for a
// while; with them once the plugin says HEALTHY. Within the grace period after its start a failed
// check changes nothing. Threads: any.
#pragma once

#include <optional>

#include "core/control/services/breaker.hpp"
#include "core/control/services/roster.hpp"
#include "core/model/records.hpp"

namespace berth::control {

struct HealthRules {
  milliseconds healthy_after{};  // RUNNING for so long counts as healthy
  milliseconds grace{};
};

struct StandingAt {
  Standing standing = Standing::Pending;
  std::optional<Instant> until{};          // time alone changes it then
  std::optional<Instant> healthy_since{};  // where time alone made it so
};

// Requires: the task is not STOPPED.
[[nodiscard]] StandingAt standing_of(const Task& task, HealthRules rules, Instant now);

// How a task that is STOPPED ended; `last` is what it was good for before.
[[nodiscard]] TaskEnd end_of(const Task& task, Standing last);

}  // namespace berth::control
