// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_machine.hpp"

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
    default: return "PENDING";
  }
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
  for (const auto& container : state.containers()) {
    v1::ContainerReport* entry = out.add_containers();
    entry->set_name(container.name());
    entry->set_last_status(status_of(container));
    if (container.has_exit_code()) entry->set_exit_code(container.exit_code());
    entry->set_reason(container.reason());
    entry->set_runtime_id(container.runtime_id());
    entry->set_image_digest(container.image_digest());
    *entry->mutable_network_bindings() = container.network_bindings();
  }
  return out;
}

}  // namespace berth::runtime
