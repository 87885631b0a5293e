// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/task_roles.hpp"

namespace berth::daemon {

Result<std::string> role_of(const control::State& state, const PluginName& plugin,
                            const v1::TaskCredentialsRequest& request) {
  const TaskPtr task = state.task(TaskId(request.task_id()));
  const bool runs_there = task && task->plugin == plugin && task->node.str() == request.node_id() &&
                          task->last_status != TaskStatus::Stopped;
  if (!runs_there) return fail(Errc::NotFound, "no such task runs there");
  const auto& overrides = task->launch->overrides;
  const auto& definition = task->definition->message;
  std::string arn;
  if (request.role() == v1::TaskCredentialsRequest::ROLE_TASK) {
    arn = overrides.has_task_role_arn() ? overrides.task_role_arn() : definition.task_role_arn();
  } else if (request.role() == v1::TaskCredentialsRequest::ROLE_EXECUTION) {
    arn = overrides.has_execution_role_arn() ? overrides.execution_role_arn()
                                             : definition.execution_role_arn();
  }
  if (arn.empty()) return fail(Errc::NotFound, "the task has no such role");
  return arn;
}

}  // namespace berth::daemon
