// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace berth::runtime {
namespace {

using sdk::Error;
using sdk::Result;

std::string member(std::size_t container, const char* name) {
  return "containerDefinitions[" + std::to_string(container) + "]." + name;
}

Result<Condition> read_condition(const v1::ecs::ContainerDependency& dependency,
                                 const std::string& field) {
  const std::string& word = dependency.condition();
  if (word == "START") return Condition::Start;
  if (word == "COMPLETE") return Condition::Complete;
  if (word == "SUCCESS") return Condition::Success;
  if (word == "HEALTHY") return Condition::Healthy;
  return sdk::fail(BERTH_INVALID, "The condition '" + word + "' is none of START, COMPLETE, SUCCESS, HEALTHY.",
                   field);
}

// Names are directory names and cgroup names on the host, so only what ECS allows gets through.
bool is_container_name(const std::string& name) {
  if (name.empty() || name.size() > 255) return false;
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
    if (!fine) return false;
  }
  return true;
}

Result<std::vector<ContainerPlan::Dependency>> read_dependencies(
    const v1::ecs::ContainerDefinition& definition, std::size_t index,
    const std::map<std::string, std::size_t>& names, const TaskPlan& plan) {
  std::vector<ContainerPlan::Dependency> out;
  for (int d = 0; d < definition.depends_on_size(); ++d) {
    const auto& dependency = definition.depends_on(d);
    const std::string field = member(index, "dependsOn[") + std::to_string(d) + "]";
    const auto found = names.find(dependency.container_name());
    if (found == names.end()) {
      return sdk::fail(BERTH_INVALID,
                       "There is no container '" + dependency.container_name() + "' to depend on.",
                       field + ".containerName");
    }
    auto condition = read_condition(dependency, field + ".condition");
    if (!condition) return condition.error();
    const ContainerPlan& on = plan.containers[found->second];
    if (*condition == Condition::Healthy && !on.health) {
      return sdk::fail(BERTH_INVALID, "The container '" + on.name + "' has no health check to wait for.",
                       field + ".condition");
    }
    const bool waits_for_end = *condition == Condition::Complete || *condition == Condition::Success;
    if (waits_for_end && on.essential) {
      return sdk::fail(BERTH_INVALID,
                       "An essential container cannot be waited for with " + dependency.condition() +
                           ": its end is the task's.",
                       field + ".condition");
    }
    out.push_back({found->second, *condition});
  }
  return out;
}

// The log router of the task; read_log_router says what is wrong where there is none.
std::string router_name(const v1::ecs::TaskDefinition& task) {
  for (const auto& container : task.container_definitions()) {
    if (container.has_firelens_configuration()) return container.name();
  }
  return {};
}

// Links, volumesFrom and logs that go to a log router wait for the other to have started, as
// dependsOn START does; and the other stops after them.
Result<void> add_implied(const v1::ecs::TaskDefinition& task, std::size_t index,
                         const std::map<std::string, std::size_t>& names,
                         std::vector<ContainerPlan::Dependency>& out) {
  const auto& definition = task.container_definitions(static_cast<int>(index));
  const auto add = [&](const std::string& name, const std::string& field) -> Result<void> {
    const auto found = names.find(name);
    if (found == names.end()) {
      return sdk::fail(BERTH_INVALID, "There is no container '" + name + "'.", field);
    }
    const bool known = std::any_of(out.begin(), out.end(), [&](const ContainerPlan::Dependency& other) {
      return other.on == found->second;
    });
    if (!known) out.push_back({found->second, Condition::Start});
    return {};
  };
  for (int i = 0; i < definition.links_size(); ++i) {
    const std::string& link = definition.links(i);
    auto added = add(link.substr(0, link.find(':')), member(index, "links[") + std::to_string(i) + "]");
    if (!added) return added;
  }
  for (int i = 0; i < definition.volumes_from_size(); ++i) {
    auto added = add(definition.volumes_from(i).source_container(),
                     member(index, "volumesFrom[") + std::to_string(i) + "].sourceContainer");
    if (!added) return added;
  }
  const std::string router = router_name(task);
  if (definition.log_configuration().log_driver() == "awsfirelens" && !router.empty() &&
      router != definition.name()) {
    return add(router, member(index, "logConfiguration.logDriver"));
  }
  return {};
}

Result<std::optional<RestartPlan>> read_restart(const v1::ecs::ContainerDefinition& definition,
                                                const std::string& field) {
  const auto& policy = definition.restart_policy();
  if (!policy.enabled()) return std::optional<RestartPlan>();
  RestartPlan plan;
  plan.ignored_exit_codes.assign(policy.ignored_exit_codes().begin(), policy.ignored_exit_codes().end());
  if (policy.has_restart_attempt_period()) {
    if (policy.restart_attempt_period() < 0) {
      return sdk::fail(BERTH_INVALID, "restartAttemptPeriod is negative.", field + ".restartAttemptPeriod");
    }
    plan.attempt_period_ms = std::int64_t{policy.restart_attempt_period()} * 1000;
  }
  return std::optional<RestartPlan>(std::move(plan));
}

// Depth-first; `path` holds the containers above.
bool has_cycle(const TaskPlan& plan, std::size_t at, std::set<std::size_t>& path,
               std::set<std::size_t>& done) {
  if (done.contains(at)) return false;
  if (!path.insert(at).second) return true;
  for (const auto& dependency : plan.containers[at].depends_on) {
    if (has_cycle(plan, dependency.on, path, done)) return true;
  }
  path.erase(at);
  done.insert(at);
  return false;
}

Result<void> read_containers(const v1::ecs::TaskDefinition& definition, const PlanDefaults& defaults,
                             TaskPlan& plan, std::map<std::string, std::size_t>& names) {
  bool any_essential = false;
  for (const auto& container : definition.container_definitions()) {
    const std::size_t index = plan.containers.size();
    if (!is_container_name(container.name())) {
      return sdk::fail(BERTH_INVALID, "'" + container.name() + "' is not a container name.",
                       member(index, "name"));
    }
    if (!names.emplace(container.name(), index).second) {
      return sdk::fail(BERTH_INVALID, "Two containers are named '" + container.name() + "'.",
                       member(index, "name"));
    }
    if (container.stop_timeout() < 0) {
      return sdk::fail(BERTH_INVALID, "stopTimeout is negative.", member(index, "stopTimeout"));
    }
    if (container.start_timeout() < 0) {
      return sdk::fail(BERTH_INVALID, "startTimeout is negative.", member(index, "startTimeout"));
    }
    ContainerPlan entry;
    entry.name = container.name();
    entry.essential = !container.has_essential() || container.essential();
    any_essential = any_essential || entry.essential;
    entry.stop_timeout_ms = container.has_stop_timeout() ? std::int64_t{container.stop_timeout()} * 1000
                                                         : defaults.stop_timeout.count();
    if (container.has_start_timeout() && container.start_timeout() > 0) {
      entry.start_timeout_ms = std::int64_t{container.start_timeout()} * 1000;
    }
    auto health = read_health_check(container, member(index, "healthCheck"));
    if (!health) return health.error();
    entry.health = std::move(*health);
    auto restart = read_restart(container, member(index, "restartPolicy"));
    if (!restart) return restart.error();
    entry.restart = std::move(*restart);
    plan.containers.push_back(std::move(entry));
  }
  if (plan.containers.empty()) {
    return sdk::fail(BERTH_INVALID, "A task needs a container.", "containerDefinitions");
  }
  if (!any_essential) {
    return sdk::fail(BERTH_INVALID, "A task needs an essential container.", "containerDefinitions");
  }
  return {};
}

}  // namespace

Result<TaskPlan> plan_task(const v1::StartTaskRequest& request, const PlanDefaults& defaults) {
  TaskPlan plan;
  std::map<std::string, std::size_t> names;
  if (auto read = read_containers(request.definition(), defaults, plan, names); !read) {
    return read.error();
  }
  for (std::size_t i = 0; i < plan.containers.size(); ++i) {
    auto dependencies = read_dependencies(request.definition().container_definitions(static_cast<int>(i)),
                                          i, names, plan);
    if (!dependencies) return dependencies.error();
    if (auto added = add_implied(request.definition(), i, names, *dependencies); !added) {
      return added.error();
    }
    plan.containers[i].depends_on = std::move(*dependencies);
    for (const auto& dependency : plan.containers[i].depends_on) {
      plan.containers[dependency.on].dependents.push_back(i);
    }
  }
  std::set<std::size_t> path;
  std::set<std::size_t> done;
  for (std::size_t i = 0; i < plan.containers.size(); ++i) {
    if (has_cycle(plan, i, path, done)) {
      return sdk::fail(BERTH_INVALID, "The dependencies of container '" + plan.containers[i].name +
                                          "' lead back to itself.",
                       member(i, "dependsOn"));
    }
  }
  return plan;
}

}  // namespace berth::runtime
