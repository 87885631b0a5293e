// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/task_roles.hpp"

#include <algorithm>

namespace berth::daemon {
namespace {

std::string execution_role_of(const Task& task) {
  const auto& overrides = task.launch->overrides;
  return overrides.has_execution_role_arn() ? overrides.execution_role_arn()
                                            : task.definition->message.execution_role_arn();
}

bool pulls_with(const Task& task, const v1::AuthorizeRequest& request) {
  if (!request.execution_role_arn().empty() &&
      execution_role_of(task) != request.execution_role_arn()) {
    return false;
  }
  const auto& containers = task.definition->message.container_definitions();
  return std::any_of(containers.begin(), containers.end(), [&](const auto& container) {
    return is_from(container.image(), request.registry()) &&
           (request.credentials().empty() ||
            container.repository_credentials().credentials_parameter() == request.credentials());
  });
}

}  // namespace

bool is_from(const std::string& image, const std::string& registry) {
  if (image.starts_with(registry + "/")) return true;
  if (registry != "docker.io") return false;
  // What has no registry in its name: the part before the first slash is none.
  const std::string first = image.substr(0, image.find('/'));
  return first.size() == image.size() ||
         (first.find_first_of(".:") == std::string::npos && first != "localhost") ||
         first == "index.docker.io";
}

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
    arn = execution_role_of(*task);
  }
  if (arn.empty()) return fail(Errc::NotFound, "the task has no such role");
  return arn;
}

Result<void> may_pull(const control::State& state, const PluginName& plugin,
                      const v1::AuthorizeRequest& request) {
  for (const TaskId& id : state.tasks_on(NodeId(request.node_id()))) {
    const TaskPtr task = state.task(id);
    if (task->plugin == plugin && task->last_status != TaskStatus::Stopped &&
        pulls_with(*task, request)) {
      return {};
    }
  }
  return fail(Errc::Denied, "no task on that host pulls from " + request.registry() +
                                " with that role or those credentials");
}

}  // namespace berth::daemon
