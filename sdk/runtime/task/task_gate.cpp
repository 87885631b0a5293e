// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_gate.hpp"

#include "sdk/runtime/task/health_check.hpp"

namespace berth::runtime {
namespace {

Gate lost(const ContainerPlan& on, const std::string& what) {
  return {Gate::Is::Lost,
          "CannotStartContainerError: dependency container '" + on.name + "' " + what,
          {}};
}

Gate gate_of_running(const ContainerPlan& on, const ContainerState& dependency,
                     const ContainerPlan::Dependency& edge, std::int64_t now_ms) {
  if (edge.condition == Condition::Start) return {};
  const bool waits_for_health = edge.condition == Condition::Healthy;
  const auto status = dependency.health().status();
  if (waits_for_health && status == HealthState::STATUS_HEALTHY) return {};
  // As with ECS, UNHEALTHY is not the end of it: it may still get well, until its startTimeout.
  if (!on.start_timeout_ms) return {Gate::Is::Shut, {}, {}};
  const std::int64_t limit = dependency.started_ms() + *on.start_timeout_ms;
  if (now_ms < limit) return {Gate::Is::Shut, {}, limit};
  const std::string what =
      waits_for_health ? std::string("was ") + health_word(status) + ", not HEALTHY, at the end of"
                       : std::string("did not end within");
  return lost(on,
              what + " its startTimeout of " + std::to_string(*on.start_timeout_ms / 1000) + " s");
}

Gate gate_of_stopped(const ContainerPlan& on, const ContainerState& dependency,
                     const ContainerPlan::Dependency& edge) {
  if (!has_run(dependency)) return lost(on, "never started");
  if (edge.condition == Condition::Start) return {};
  if (edge.condition == Condition::Healthy) return lost(on, "ended before it was HEALTHY");
  if (!dependency.has_exit_code()) return lost(on, "ended without an exit code");
  if (edge.condition == Condition::Success && dependency.exit_code() != 0) {
    return lost(on, "ended with exit code " + std::to_string(dependency.exit_code()) + ", not 0");
  }
  return {};
}

}  // namespace

Gate gate(const TaskPlan& plan, const TaskState& state, std::size_t container,
          std::int64_t now_ms) {
  Gate result;
  for (const auto& edge : plan.containers[container].depends_on) {
    const ContainerPlan& on = plan.containers[edge.on];
    const ContainerState& dependency = state.containers(static_cast<int>(edge.on));
    Gate one{Gate::Is::Shut, {}, {}};
    if (is_up(dependency)) {
      one = gate_of_running(on, dependency, edge, now_ms);
    } else if (is_stopped(dependency)) {
      one = gate_of_stopped(on, dependency, edge);
    }
    if (one.is == Gate::Is::Lost) return one;
    if (one.is == Gate::Is::Shut) {
      result.is = Gate::Is::Shut;
      if (one.opens_not_after_ms &&
          (!result.opens_not_after_ms || *one.opens_not_after_ms < *result.opens_not_after_ms)) {
        result.opens_not_after_ms = one.opens_not_after_ms;
      }
    }
  }
  return result;
}

}  // namespace berth::runtime
