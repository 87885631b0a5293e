// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_machine.hpp"
#include "sdk/runtime/task/text.hpp"

namespace berth::runtime {
namespace {

v1::TaskPhase phase_of(const TaskState& state) {
  if (state.stopped_ms() != 0) return v1::TASK_PHASE_STOPPED;
  if (state.stop_wanted()) return v1::TASK_PHASE_STOPPING;
  return state.started_ms() != 0 ? v1::TASK_PHASE_RUNNING : v1::TASK_PHASE_PENDING;
}

const char* status_of(const ContainerState& container) {
  switch (container.phase()) {
    case ContainerState::PHASE_RUNNING: return "RUNNING";
    case ContainerState::PHASE_STOPPED: return "STOPPED";
    // While it is started again it has been up, and a status does not go back.
    case ContainerState::PHASE_LAUNCHING: return container.restart_count() > 0 ? "RUNNING" : "PENDING";
    default: return "PENDING";
  }
}

// ECS's rule: of the essential containers that have a check. Empty: none has.
std::string health_of(const v1::StartTaskRequest& request, const TaskState& state) {
  bool any = false;
  bool all_healthy = true;
  for (int i = 0; i < state.containers_size(); ++i) {
    const auto& definition = request.definition().container_definitions(i);
    if (!state.containers(i).has_health() || (definition.has_essential() && !definition.essential())) continue;
    any = true;
    const auto status = state.containers(i).health().status();
    if (status == HealthState::STATUS_UNHEALTHY) return health_word(status);
    all_healthy = all_healthy && status == HealthState::STATUS_HEALTHY;
  }
  if (!any) return {};
  return health_word(all_healthy ? HealthState::STATUS_HEALTHY : HealthState::STATUS_UNKNOWN);
}

// Why a container is UNHEALTHY, for people; its own reason goes before.
std::string reason_of(const ContainerState& container) {
  if (!container.reason().empty() || container.phase() != ContainerState::PHASE_RUNNING ||
      container.health().status() != HealthState::STATUS_UNHEALTHY) {
    return container.reason();
  }
  const int code = container.health().exit_code();
  const std::string how = code < 0 ? "" : " with exit code " + std::to_string(code);
  const std::string& output = container.health().output();
  return clean_text("The health check fails" + how + (output.empty() ? "" : ": " + output));
}

void set_time(v1::ecs::Timestamp* (v1::TaskReport::*member)(), v1::TaskReport& report, std::int64_t ms) {
  if (ms != 0) (report.*member)()->set_ms(ms);
}

}  // namespace

v1::TaskReport report(const v1::StartTaskRequest& request, const TaskState& state) {
  v1::TaskReport out;
  out.set_task_id(request.task_id());
  out.set_node_id(request.node_id());
  out.set_phase(phase_of(state));
  out.set_stop_code(state.stop_code());
  out.set_stopped_reason(state.stopped_reason());
  set_time(&v1::TaskReport::mutable_pull_started_at, out, state.pull_started_ms());
  set_time(&v1::TaskReport::mutable_pull_stopped_at, out, state.pull_stopped_ms());
  set_time(&v1::TaskReport::mutable_started_at, out, state.started_ms());
  set_time(&v1::TaskReport::mutable_stopping_at, out, state.stopping_ms());
  set_time(&v1::TaskReport::mutable_execution_stopped_at, out, state.execution_stopped_ms());
  set_time(&v1::TaskReport::mutable_stopped_at, out, state.stopped_ms());
  out.set_health_status(health_of(request, state));
  for (const auto& container : state.containers()) {
    v1::ContainerReport* entry = out.add_containers();
    entry->set_name(container.name());
    entry->set_last_status(status_of(container));
    const bool stopped = container.phase() == ContainerState::PHASE_STOPPED;
    if (stopped && container.has_exit_code()) entry->set_exit_code(container.exit_code());
    entry->set_reason(reason_of(container));
    entry->set_restart_count(container.restart_count());
    if (container.has_health()) entry->set_health_status(health_word(container.health().status()));
    entry->set_runtime_id(container.runtime_id());
    entry->set_image_digest(container.image_digest());
    *entry->mutable_network_bindings() = container.network_bindings();
  }
  return out;
}

}  // namespace berth::runtime
