// SPDX-License-Identifier: Apache-2.0
// The order of a task's containers: what of a task definition the task's machine decides by.
//
// Threads: any (immutable). Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/task/health_check.hpp"

namespace berth::runtime {

// When a container may be created, as seen from one that it depends on.
enum class Condition {
  Start,     // that one runs, or has run
  Complete,  // it ended, with any exit code
  Success,   // it ended with exit code 0
  Healthy,   // it runs and its health check says HEALTHY
};

// The container is started again after its end.
struct RestartPlan {
  std::vector<int> ignored_exit_codes;  // after these it is not
  std::int64_t attempt_period_ms = 300'000;  // nor sooner than this after its start, or its last restart
};

struct ContainerPlan {
  struct Dependency {
    std::size_t on = 0;  // index into TaskPlan::containers
    Condition condition = Condition::Start;
  };
  std::string name;
  bool essential = true;
  std::vector<Dependency> depends_on;
  std::vector<std::size_t> dependents;             // who depends on this one
  std::optional<std::int64_t> start_timeout_ms;    // for those that wait for more than its start
  std::int64_t stop_timeout_ms = 0;
  std::optional<HealthPlan> health{};
  std::optional<RestartPlan> restart{};
};

// Invariant: the dependencies have no cycle.
struct TaskPlan {
  std::vector<ContainerPlan> containers;
};

struct PlanDefaults {
  std::chrono::milliseconds stop_timeout{30'000};
};

// Reads and checks names, essential flags, dependencies, timeouts, health checks and restart policies.
sdk::Result<TaskPlan> plan_task(const v1::StartTaskRequest& request, const PlanDefaults& defaults);

}  // namespace berth::runtime
