// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/health_check.hpp"

#include <utility>

#include "sdk/runtime/task/text.hpp"

namespace berth::runtime {
namespace {

// ECS's ranges are checked where definitions are registered; here only what the arithmetic needs.
sdk::Result<std::int64_t> seconds(bool present, std::int32_t value, std::int32_t otherwise, std::int32_t least,
                                  const std::string& field) {
  const std::int32_t chosen = present ? value : otherwise;
  if (chosen < least || chosen > 3600) {
    return sdk::fail(BERTH_INVALID, std::to_string(chosen) + " is not a number of seconds that a health check can have.",
                     field);
  }
  return std::int64_t{chosen} * 1000;
}

void set_status(HealthState& state, HealthState::Status status, std::int64_t now_ms) {
  if (state.status() == status) return;
  state.set_status(status);
  state.set_since_ms(now_ms);
}

}  // namespace

sdk::Result<std::optional<HealthPlan>> read_health_check(const v1::ecs::ContainerDefinition& definition,
                                                         const std::string& field) {
  if (!definition.has_health_check()) return std::optional<HealthPlan>();
  const auto& check = definition.health_check();
  const std::string form = check.command_size() > 0 ? check.command(0) : "";
  if (form == "NONE") return std::optional<HealthPlan>();
  if ((form != "CMD" && form != "CMD-SHELL") || check.command_size() < 2) {
    return sdk::fail(BERTH_INVALID, "A health check's command is CMD or CMD-SHELL and what to run.", field + ".command");
  }
  HealthPlan plan;
  if (form == "CMD-SHELL") {
    if (check.command_size() > 2) {
      return sdk::fail(BERTH_INVALID, "CMD-SHELL takes one string, the shell's command line.", field + ".command");
    }
    plan.args = {"/bin/sh", "-c", check.command(1)};
  } else {
    plan.args.assign(check.command().begin() + 1, check.command().end());
  }
  const auto interval = seconds(check.has_interval(), check.interval(), 30, 1, field + ".interval");
  if (!interval) return interval.error();
  const auto timeout = seconds(check.has_timeout(), check.timeout(), 5, 1, field + ".timeout");
  if (!timeout) return timeout.error();
  const auto period = seconds(check.has_start_period(), check.start_period(), 0, 0, field + ".startPeriod");
  if (!period) return period.error();
  const std::int32_t retries = check.has_retries() ? check.retries() : 3;
  if (retries < 1 || retries > 100) {
    return sdk::fail(BERTH_INVALID, std::to_string(retries) + " is not a number of retries.", field + ".retries");
  }
  plan.interval_ms = *interval;
  plan.timeout_ms = *timeout;
  plan.start_period_ms = *period;
  plan.retries = static_cast<std::uint32_t>(retries);
  return std::optional<HealthPlan>(std::move(plan));
}

void begin_health(HealthState& state, std::int64_t now_ms) {
  state.Clear();
  state.set_began_ms(now_ms);
  state.set_since_ms(now_ms);
}

void fold_health(const HealthPlan& plan, HealthState& state, const HealthResult& result, std::int64_t now_ms) {
  state.set_checked_ms(now_ms);
  state.set_exit_code(result.exit_code.value_or(-1));
  state.set_output(clean_text(result.output, kMostHealthOutput));
  if (result.exit_code == 0) {
    state.set_failures(0);
    set_status(state, HealthState::STATUS_HEALTHY, now_ms);
    return;
  }
  const bool forgiven = state.status() == HealthState::STATUS_UNKNOWN &&
                        result.began_ms < state.began_ms() + plan.start_period_ms;
  // It stops where it matters no more, so that a container that goes on failing costs no writes to disk.
  if (!forgiven && state.failures() < plan.retries) state.set_failures(state.failures() + 1);
  if (state.failures() >= plan.retries) set_status(state, HealthState::STATUS_UNHEALTHY, now_ms);
}

std::int64_t health_due_ms(const HealthPlan& plan, const HealthState& state) {
  return (state.checked_ms() != 0 ? state.checked_ms() : state.began_ms()) + plan.interval_ms;
}

const char* health_word(HealthState::Status status) {
  switch (status) {
    case HealthState::STATUS_HEALTHY: return "HEALTHY";
    case HealthState::STATUS_UNHEALTHY: return "UNHEALTHY";
    default: return "UNKNOWN";
  }
}

}  // namespace berth::runtime
