// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/run_rules.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

// What RunTask and StartTask have in common. The cluster's name replaces what the request says.
template <typename Request>
Result<ClusterName> check_launch(const Call& call, Request& request) {
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return cluster;
  request.set_cluster(cluster->str());
  if (auto id = parse_definition(request.task_definition()); !id) return tl::unexpected(id.error());
  if (auto done = check_propagated(request.propagate_tags()); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = check_started_by(request.started_by()); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = check_tags(request.tags()); !done) return tl::unexpected(done.error());
  if (!request.has_overrides()) return cluster;
  if (auto done = check_overrides(*request.mutable_overrides()); !done) {
    return tl::unexpected(done.error());
  }
  return cluster;
}

Result<void> check_run(const Call& call, model::RunTaskRequest& request) {
  if (auto cluster = check_launch(call, request); !cluster) {
    return tl::unexpected(cluster.error());
  }
  if (request.has_launch_type() && !request.capacity_provider_strategy().empty()) {
    return fail(Errc::Invalid,
                "Cannot specify both a launch type and a capacity provider strategy.",
                Subject::Request, "launchType");
  }
  const bool printable =
      std::ranges::all_of(request.client_token(), [](char c) { return c >= 33 && c <= 126; });
  if (!printable) {
    return fail(Errc::Invalid, "clientToken may hold printable ASCII only.", Subject::Request,
                "clientToken");
  }
  if (auto done = check_constraints(call, request.placement_constraints()); !done) return done;
  return check_strategies(request.placement_strategy());
}

// Instances become ids; those of another cluster are refused, unknown ones are for the core.
Result<void> check_start(const Call& call, model::StartTaskRequest& request) {
  auto cluster = check_launch(call, request);
  if (!cluster) return tl::unexpected(cluster.error());
  for (std::string& name : *request.mutable_container_instances()) {
    auto id = id_in_cluster(name, "container-instance", *cluster);
    if (!id) return tl::unexpected(id.error());
    if (id->empty()) {
      return fail(Errc::Invalid, "A container instance should not be an empty text.",
                  Subject::Request, "containerInstances");
    }
    name = *id;
  }
  return {};
}

template <typename Response>
void answer_launch(const Call& call, const control::Answer& answer) {
  const auto& ran = std::get<control::RunTaskAnswer>(answer);
  Response response;
  for (std::size_t i = 0; i < ran.tasks.size(); ++i) {
    const TaskView view{ran.tasks[i], i < ran.instances.size() ? ran.instances[i] : nullptr};
    *response.add_tasks() = show_task(view, call.realm(), Tags::Show);
  }
  for (const auto& failure : ran.failures) {
    *response.add_failures() = show_failure(failure);
  }
  call.reply(response);
}

}  // namespace

void run_task(const Call& call) {
  model::RunTaskRequest request;
  if (!call.read(request)) return;
  if (auto checked = check_run(call, request); !checked) return call.refuse(checked.error());
  call.submit(control::RunTask{std::move(request)}, answer_launch<model::RunTaskResponse>);
}

void start_task(const Call& call) {
  model::StartTaskRequest request;
  if (!call.read(request)) return;
  if (auto checked = check_start(call, request); !checked) return call.refuse(checked.error());
  call.submit(control::StartTask{std::move(request)}, answer_launch<model::StartTaskResponse>);
}

}  // namespace berth::api
