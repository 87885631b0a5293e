// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 100;
// Tasks looked at in one visit to the loop; a page may hold fewer than asked for.
constexpr int kScan = 5000;

tl::unexpected<Error> refuse(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

struct TaskFilter {
  ClusterName cluster;
  std::optional<NodeId> node;
  std::optional<ServiceId> service;
  std::string family;
  std::string started_by;
  std::string launch_type;
  DesiredStatus desired = DesiredStatus::Running;
  bool none = false;  // desiredStatus PENDING: no task ever has it

  [[nodiscard]] bool takes(const Task& task) const {
    return task.cluster == cluster && (!node || task.node == *node) &&
           task.desired_status == desired &&
           (family.empty() || task.definition->id.family.str() == family) &&
           (started_by.empty() || task.launch->started_by == started_by) &&
           (launch_type.empty() || task.launch->launch_type == launch_type) &&
           (!service || task.launch->service == service->name);
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
  if (request.has_service_name()) {
    auto name = id_in_cluster(request.service_name(), "service", *cluster);
    if (!name) return tl::unexpected(name.error());
    filter.service = ServiceId{*cluster, ServiceName(*name)};
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
  if (filter.service && !state.service(*filter.service)) {
    return fail(Errc::NotFound, "Service not found.", Subject::Service, "serviceName");
  }
  if (filter.none) return response;
  const auto& ids = filter.service ? state.tasks_of(*filter.service)
                    : filter.node  ? state.tasks_on(*filter.node)
                                   : state.tasks_of(filter.cluster);
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
