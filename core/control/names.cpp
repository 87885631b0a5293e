// SPDX-License-Identifier: Apache-2.0
#include "core/control/names.hpp"

namespace berth::control {

Result<ClusterPtr> find_cluster(const State& state, const std::string& text,
                                const std::string& fallback) {
  auto name = parse_resource(text.empty() ? fallback : text, "cluster");
  if (!name) return tl::unexpected(name.error());
  const ClusterPtr cluster = state.cluster(ClusterName(name->id));
  if (!cluster || !cluster->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, name->id);
  }
  return cluster;
}

Result<TaskPtr> find_task(const State& state, const ClusterName& cluster, const std::string& text) {
  auto name = parse_resource(text, "task");
  if (!name) return tl::unexpected(name.error());
  const TaskPtr task = state.task(TaskId(name->id));
  const bool elsewhere = !name->cluster.empty() && name->cluster != cluster.str();
  if (!task || task->cluster != cluster || elsewhere) {
    return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task, text);
  }
  return task;
}

Result<TaskDefinitionPtr> find_active_definition(const State& state, const std::string& text) {
  auto id = parse_definition(text);
  if (!id) return tl::unexpected(id.error());
  const TaskDefinitionPtr definition = state.definition(*id);
  if (!definition) {
    return fail(Errc::NotFound, "TaskDefinition not found.", Subject::TaskDefinition, text);
  }
  if (!definition->active()) {
    return fail(Errc::Precondition, "TaskDefinition is inactive", Subject::TaskDefinition, text);
  }
  return definition;
}

}  // namespace berth::control
