// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/standing.hpp"

#include <algorithm>

namespace berth::control {
namespace {

bool has_checks(const TaskDefinition& definition) {
  const auto& containers = definition.message.container_definitions();
  return std::any_of(containers.begin(), containers.end(), [](const auto& container) {
    return container.has_health_check() && (!container.has_essential() || container.essential());
  });
}

// The host's clock is another: its word counts within what is possible.
Instant running_since(const Task& task, Instant now) {
  const Instant made = std::min(task.launch->created_at, now);
  return std::clamp(task.started_at.value_or(now), made, now);
}

}  // namespace

StandingAt standing_of(const Task& task, HealthRules rules, Instant now) {
  if (task.desired_status == DesiredStatus::Stopped) return {Standing::Stopping};
  if (task.last_status < TaskStatus::Running) return {Standing::Pending};
  const Instant since = running_since(task, now);
  if (!has_checks(*task.definition)) {
    const Instant healthy = since + rules.healthy_after;
    if (now >= healthy) return {Standing::Healthy, std::nullopt, healthy};
    return {Standing::Starting, healthy};
  }
  const std::string health = task.report ? task.report->health_status() : "";
  if (health == "HEALTHY") return {Standing::Healthy};
  if (health != "UNHEALTHY") return {Standing::Starting};
  if (now < since + rules.grace) return {Standing::Starting, since + rules.grace};
  return {Standing::Unhealthy};
}

TaskEnd end_of(const Task& task, Standing last) {
  if (!task.stop_code) return TaskEnd::Wanted;  // its host is gone
  switch (*task.stop_code) {
    case StopCode::UserInitiated:
    case StopCode::ServiceSchedulerInitiated:
    case StopCode::SpotInterruption:
    case StopCode::TerminationNotice:
      return TaskEnd::Wanted;
    case StopCode::TaskFailedToStart:
    case StopCode::EssentialContainerExited:
      break;
  }
  if (!task.started_at) return TaskEnd::FailedStart;
  if (last == Standing::Unhealthy) return TaskEnd::FailedHealth;
  return last == Standing::Healthy ? TaskEnd::Exit : TaskEnd::EarlyExit;
}

}  // namespace berth::control
