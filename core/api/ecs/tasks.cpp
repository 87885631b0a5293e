// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 100;
// Tasks looked at in one visit to the loop; a page may hold fewer than asked for.
constexpr int kScan = 5000;
constexpr std::size_t kOverrideBytes = 8192;
constexpr std::size_t kExpressionLength = 2000;

tl::unexpected<Error> refuse(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

bool holds_only(const std::string& text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

Result<void> check_placement(const Call& call, const model::RunTaskRequest& request) {
  for (const auto& constraint : request.placement_constraints()) {
    if (constraint.type() == "distinctInstance") {
      if (constraint.has_expression()) {
        return refuse("The constraint distinctInstance takes no expression.",
                      "placementConstraints");
      }
      continue;
    }
    if (constraint.expression().empty() || constraint.expression().size() > kExpressionLength) {
      return refuse("The constraint memberOf needs an expression of at most 2000 characters.",
                    "placementConstraints");
    }
    const auto& check = call.backend().check_expression;
    if (!check) continue;
    if (auto read = check(constraint.expression()); !read) {
      return refuse("Invalid expression '" + constraint.expression() + "': " + read.error().message,
                    "placementConstraints");
    }
  }
  for (const auto& strategy : request.placement_strategy()) {
    const std::string& field = strategy.field();
    std::string lower = field;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool binpack = strategy.type() == "binpack";
    if (binpack && lower != "cpu" && lower != "memory") {
      return refuse("The strategy binpack needs the field cpu or memory.", "placementStrategy");
    }
    const bool known = lower == "instanceid" || lower == "host" ||
                       (lower.starts_with("attribute:") && lower.size() > 10);
    if (strategy.type() == "spread" && !known) {
      return refuse("The strategy spread needs the field instanceId, host or attribute:NAME.",
                    "placementStrategy");
    }
  }
  return {};
}

Result<void> check_overrides(const model::RunTaskRequest& request) {
  if (!request.has_overrides()) return {};
  if (json::encode(request.overrides()).size() > kOverrideBytes) {
    return refuse("Overrides can have at most 8192 characters in all.", "overrides");
  }
  std::set<std::string> names;
  for (const auto& container : request.overrides().container_overrides()) {
    if (!names.insert(container.name()).second) {
      return refuse("The override of container '" + container.name() + "' stands there twice.",
                    "overrides");
    }
    for (const auto& variable : container.environment()) {
      if (variable.name().empty() || variable.name().find('=') != std::string::npos) {
        return refuse("The name '" + variable.name() + "' of an environment variable is invalid.",
                      "overrides");
      }
    }
  }
  return {};
}

// Normalises the sizes as a registration does.
Result<void> check_sizes(model::RunTaskRequest& request) {
  if (request.overrides().has_cpu()) {
    const auto cpu = parse_cpu(request.overrides().cpu());
    if (!cpu || *cpu < 128 || *cpu > 196'608) {
      return fail(Errc::Invalid, "Invalid 'cpu' setting for task.", Subject::Definition,
                  "overrides.cpu");
    }
    request.mutable_overrides()->set_cpu(std::to_string(*cpu));
  }
  if (request.overrides().has_memory()) {
    const auto memory = parse_memory(request.overrides().memory());
    if (!memory || *memory < 4) {
      return fail(Errc::Invalid, "Invalid 'memory' setting for task.", Subject::Definition,
                  "overrides.memory");
    }
    request.mutable_overrides()->set_memory(std::to_string(*memory));
  }
  return {};
}

Result<void> check_run(const Call& call, model::RunTaskRequest& request) {
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return tl::unexpected(cluster.error());
  request.set_cluster(cluster->str());
  if (auto id = parse_definition(request.task_definition()); !id) return tl::unexpected(id.error());
  if (request.has_launch_type() && !request.capacity_provider_strategy().empty()) {
    return refuse("Cannot specify both a launch type and a capacity provider strategy.",
                  "launchType");
  }
  if (request.propagate_tags() == "SERVICE") {
    return refuse(
        "Invalid value for propagateTags: a task that no service started has none to "
        "take tags from.",
        "propagateTags");
  }
  if (!holds_only(request.started_by(), "_-/")) {
    return refuse("startedBy may hold letters, digits, '_', '-' and '/' only.", "startedBy");
  }
  const bool printable =
      std::ranges::all_of(request.client_token(), [](char c) { return c >= 33 && c <= 126; });
  if (!printable) return refuse("clientToken may hold printable ASCII only.", "clientToken");
  if (auto done = check_tags(request.tags()); !done) return done;
  if (auto done = check_placement(call, request); !done) return done;
  if (auto done = check_overrides(request); !done) return done;
  return check_sizes(request);
}

struct TaskFilter {
  ClusterName cluster;
  std::optional<NodeId> node;
  std::string family;
  std::string started_by;
  std::string launch_type;
  DesiredStatus desired = DesiredStatus::Running;
  bool none = false;  // desiredStatus PENDING: no task ever has it

  [[nodiscard]] bool takes(const Task& task) const {
    return task.cluster == cluster && task.desired_status == desired &&
           (family.empty() || task.definition->id.family.str() == family) &&
           (started_by.empty() || task.launch->started_by == started_by) &&
           (launch_type.empty() || task.launch->launch_type == launch_type);
  }
};

Result<TaskFilter> filter_of(const Call& call, const model::ListTasksRequest& request) {
  TaskFilter filter;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return tl::unexpected(cluster.error());
  filter.cluster = *cluster;
  filter.family = request.family();
  filter.started_by = request.started_by();
  filter.launch_type = request.launch_type();
  filter.none = request.desired_status() == "PENDING";
  if (request.desired_status() == "STOPPED") filter.desired = DesiredStatus::Stopped;
  const bool others = request.has_family() || request.has_container_instance() ||
                      request.has_service_name() || request.has_launch_type();
  if (request.has_started_by() && others) {
    return refuse("startedBy must be the only filter.", "startedBy");
  }
  if (request.has_container_instance()) {
    auto id = id_in_cluster(request.container_instance(), "container-instance", *cluster);
    if (!id) return tl::unexpected(id.error());
    filter.node = NodeId(*id);
  }
  if (request.has_daemon_name()) {
    return fail(Errc::Unimplemented,
                "The filter daemonName is not supported: there are no daemons.", Subject::Feature,
                "daemonName");
  }
  return filter;
}

Result<model::ListTasksResponse> list_page(const control::State& state, const TaskFilter& filter,
                                           const TaskId& after, int size, const Realm& realm,
                                           const std::string& binding) {
  model::ListTasksResponse response;
  if (auto cluster = active_cluster(state, filter.cluster); !cluster) {
    return tl::unexpected(cluster.error());
  }
  if (filter.node) {
    const auto instance = state.instance(*filter.node);
    if (instance == nullptr || instance->cluster != filter.cluster) {
      return refuse("The referenced container instance was not found.", "containerInstance");
    }
  }
  if (filter.none) return response;
  const auto& ids = filter.node ? state.tasks_on(*filter.node) : state.tasks_of(filter.cluster);
  TaskId last;
  int seen = 0;
  for (auto it = ids.upper_bound(after); it != ids.end(); ++it) {
    if (response.task_arns_size() == size || ++seen > kScan) {
      response.set_next_token(make_token(binding, last.str()));
      break;
    }
    last = *it;
    const auto task = state.task(*it);
    if (task != nullptr && filter.takes(*task)) {
      response.add_task_arns(realm.task_arn(task->cluster, task->id));
    }
  }
  return response;
}

}  // namespace

void run_task(const Call& call) {
  model::RunTaskRequest request;
  if (!call.read(request)) return;
  if (auto checked = check_run(call, request); !checked) return call.refuse(checked.error());
  call.submit(control::RunTask{std::move(request)}, [](const Call& answered,
                                                       const control::Answer& answer) {
    const auto& ran = std::get<control::RunTaskAnswer>(answer);
    model::RunTaskResponse response;
    for (std::size_t i = 0; i < ran.tasks.size(); ++i) {
      const TaskView view{ran.tasks[i], i < ran.instances.size() ? ran.instances[i] : nullptr};
      *response.add_tasks() = show_task(view, answered.realm(), Tags::Show);
    }
    for (const auto& failure : ran.failures) {
      *response.add_failures() = show_failure(failure);
    }
    answered.reply(response);
  });
}

void stop_task(const Call& call) {
  model::StopTaskRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto id = id_in_cluster(request.task(), "task", *cluster);
  if (!id) return call.refuse(id.error());
  request.set_cluster(cluster->str());
  request.set_task(*id);
  call.submit(control::StopTask{std::move(request)}, [](const Call& answered,
                                                        const control::Answer& answer) {
    answered.query([task = std::get<TaskPtr>(answer)](
                       const control::State& state) { return task_view(state, task); },
                   [](const Call& last, const TaskView& view) {
                     model::StopTaskResponse response;
                     *response.mutable_task() = show_task(view, last.realm(), Tags::Hide);
                     last.reply(response);
                   });
  });
}

void describe_tasks(const Call& call) {
  model::DescribeTasksRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  std::vector<TaskId> ids;
  for (const std::string& text : request.tasks()) {
    auto id = id_in_cluster(text, "task", *cluster);
    if (!id) return call.refuse(id.error());
    ids.emplace_back(*id);
  }
  struct Found {
    std::vector<TaskView> views;
    std::vector<TaskId> missing;
  };
  call.query(
      [ids, name = *cluster](const control::State& state) -> Result<Found> {
        if (auto known = active_cluster(state, name); !known) {
          return tl::unexpected(known.error());
        }
        Found found;
        for (const TaskId& id : ids) {
          auto task = state.task(id);
          if (task != nullptr && task->cluster == name) {
            found.views.push_back(task_view(state, std::move(task)));
          } else {
            found.missing.push_back(id);
          }
        }
        return found;
      },
      [name = *cluster, tags = request.include_size() > 0 ? Tags::Show : Tags::Hide](
          const Call& answered, const Found& found) {
        model::DescribeTasksResponse response;
        for (const auto& view : found.views) {
          *response.add_tasks() = show_task(view, answered.realm(), tags);
        }
        for (const TaskId& id : found.missing) {
          *response.add_failures() = missing(answered.realm().task_arn(name, id));
        }
        answered.reply(response);
      });
}

void list_tasks(const Call& call) {
  model::ListTasksRequest request;
  if (!call.read(request)) return;
  auto filter = filter_of(call, request);
  if (!filter) return call.refuse(filter.error());
  if (request.has_service_name()) {
    return call.refuse(
        Error{Errc::NotFound, "Service not found.", Subject::Service, "serviceName"});
  }
  const std::string binding = page_binding(request);
  TaskId after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = TaskId(*key);
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [filter = *filter, after, size, binding, realm = call.realm()](const control::State& state) {
        return list_page(state, filter, after, size, realm, binding);
      },
      [](const Call& answered, const model::ListTasksResponse& response) {
        answered.reply(response);
      });
}

}  // namespace berth::api
