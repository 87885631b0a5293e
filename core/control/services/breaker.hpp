// SPDX-License-Identifier: Apache-2.0
// When a deployment counts as failed, and how long the scheduler waits before it tries again to
// start what fails.
//
// Threads: any.
#pragma once

#include "berth/model/ecs_services.pb.h"
#include "core/model/instant.hpp"

namespace berth::control {

// How a task of a deployment came to its end, as far as the breaker cares.
enum class TaskEnd {
  Wanted,        // by a person, by the scheduler, or with its host
  FailedStart,   // never RUNNING
  EarlyExit,     // RUNNING, and over before it was healthy
  FailedHealth,  // stopped because its health checks failed
  Exit,          // it had been healthy
};

struct BreakerRules {
  // Berth's own: a task that exits before it is healthy counts, and a start that fails counts also
  // after another has run. Off: ECS's two stages (until one task has run, failed starts; from then
  // on failed health checks).
  bool counts_early_exits = true;
};

// Whether this end adds one to the deployment's failures. `has_run`: one of its tasks was RUNNING
// before.
[[nodiscard]] bool counts_as_failure(TaskEnd end, bool has_run, BreakerRules rules);

// How many failures break the deployment: BOUNDED_PERCENT (the default, 50 %) of the desired count,
// rounded up, from 3 to 200; UNBOUNDED_PERCENT likewise without these bounds; COUNT as it stands.
// At least 1.
[[nodiscard]] int breaker_threshold(const model::DeploymentCircuitBreaker& breaker, int desired);

// Whether a task that becomes healthy undoes the failures counted so far (as it does by default).
[[nodiscard]] bool resets_on_healthy_task(const model::DeploymentCircuitBreaker& breaker);

// The wait after the n-th (from 1) round of starts in a row that failed: 1 s, doubled up to 15
// minutes.
[[nodiscard]] milliseconds restart_wait(int round);

}  // namespace berth::control
