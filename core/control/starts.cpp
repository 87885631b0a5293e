// SPDX-License-Identifier: Apache-2.0
#include "core/control/starts.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/control/names.hpp"
#include "core/control/run_parts.hpp"

namespace berth::control {
namespace {

constexpr int kMaxInstances = 10;

// What StartTask shares with RunTask, which is all but where.
model::RunTaskRequest as_run(const model::StartTaskRequest& in) {
  model::RunTaskRequest out;
  out.set_cluster(in.cluster());
  out.set_task_definition(in.task_definition());
  if (in.has_enable_ecs_managed_tags())
    out.set_enable_ecs_managed_tags(in.enable_ecs_managed_tags());
  if (in.has_enable_execute_command()) out.set_enable_execute_command(in.enable_execute_command());
  if (in.has_group()) out.set_group(in.group());
  if (in.has_network_configuration()) {
    *out.mutable_network_configuration() = in.network_configuration();
  }
  if (in.has_overrides()) *out.mutable_overrides() = in.overrides();
  if (in.has_propagate_tags()) out.set_propagate_tags(in.propagate_tags());
  if (in.has_reference_id()) out.set_reference_id(in.reference_id());
  if (in.has_started_by()) out.set_started_by(in.started_by());
  *out.mutable_tags() = in.tags();
  *out.mutable_volume_configurations() = in.volume_configurations();
  return out;
}

}  // namespace

void Starts::start(const StartTask& command, Reply reply) {
  const auto refuse = [&](const Error& error) { rooms_.desk.answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  auto start = std::make_shared<Start>();
  Launches::Call& call = start->call;
  call.operation = "StartTask";
  call.request = as_run(command.request);
  call.count = command.request.container_instances_size();
  if (call.count < 1 || call.count > kMaxInstances) {
    return refuse({Errc::Invalid, "containerInstances should name between 1 and 10 instances.",
                   Subject::Request, "containerInstances"});
  }
  for (const std::string& id : command.request.container_instances()) {
    start->instances.emplace_back(id);
  }
  auto cluster = find_cluster(state, call.request.cluster(), rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  call.cluster = *cluster;
  if (auto ok = check_supported(call.request, "StartTask"); !ok) return refuse(ok.error());
  auto definition = find_active_definition(state, call.request.task_definition());
  if (!definition) return refuse(definition.error());
  call.definition = *definition;
  auto routes = routes_of(*start);
  if (!routes) return refuse(routes.error());
  const auto zones = rooms_.networks.check(**definition, call.request);
  if (!zones) return refuse(zones.error());
  start->routes = *routes;
  for (Route& route : *start->routes) route.zones = *zones;
  start->reply = std::move(reply);
  rooms_.routes.plan(**definition, call.request, start->routes, [this, start] {
    auto answer = place_all(*start);
    if (answer) return rooms_.desk.answer(start->reply, Answer(*std::move(answer)));
    rooms_.desk.answer(start->reply, tl::unexpected(answer.error()));
  });
}

Result<RoutesPtr> Starts::routes_of(const Start& start) const {
  auto routes = std::make_shared<std::vector<Route>>();
  std::set<PluginName> seen;
  for (const NodeId& id : start.instances) {
    if (absent(start, id)) continue;
    const PluginName plugin = rooms_.desk.state().instance(id)->plugin;
    if (!seen.insert(plugin).second) continue;
    Route route = rooms_.routes.of_plugin(plugin);
    if (auto ok = check_compatible(*start.call.definition, route.launch_type); !ok) {
      return tl::unexpected(ok.error());
    }
    routes->push_back(std::move(route));
  }
  return routes;
}

Result<RunTaskAnswer> Starts::place_all(const Start& start) {
  const Launches::Call& call = start.call;
  // The cluster may have been deleted while plans were made.
  const ClusterPtr cluster = rooms_.desk.state().cluster(call.cluster->name);
  if (!cluster || !cluster->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, call.cluster->name.str());
  }
  for (const Route& route : *start.routes) {
    if (route.plans.empty()) return tl::unexpected(route.refusals.front());
  }
  Launches::Taken taken;
  for (const NodeId& id : start.instances) {
    if (auto failure = absent(start, id)) {
      Launches::fail(*std::move(failure), taken);
      continue;
    }
    const PluginName plugin = rooms_.desk.state().instance(id)->plugin;
    const auto route = std::find_if(start.routes->begin(), start.routes->end(),
                                    [&](const Route& one) { return one.plans.count(plugin) > 0; });
    if (route == start.routes->end()) {  // it came up while plans were made
      const Realm& realm = rooms_.desk.config().realm;
      Launches::fail({realm.container_instance_arn(call.cluster->name, id), "AGENT",
                      "Its agent has just connected: try again."},
                     taken);
      continue;
    }
    auto outcome = rooms_.placer.place_on(
        demand_of(*call.cluster, call.definition.get(), call.request, *route), id);
    if (!outcome) return tl::unexpected(outcome.error());
    rooms_.launches.take(call, *route, *outcome, taken);
  }
  rooms_.launches.close(call, taken);
  return std::move(taken.answer);
}

std::optional<Failure> Starts::absent(const Start& start, const NodeId& node) const {
  const ClusterName& cluster = start.call.cluster->name;
  const std::string arn = rooms_.desk.config().realm.container_instance_arn(cluster, node);
  const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
  if (!instance || instance->cluster != cluster) {
    return Failure{arn, "MISSING",
                   "The cluster " + cluster.str() + " has no container instance " + node.str() +
                       ": ListContainerInstances names those it has."};
  }
  if (instance->status == InstanceStatus::Inactive) {
    return Failure{arn, "INACTIVE", "The container instance was deregistered."};
  }
  if (!rooms_.plugins.is_up(instance->plugin) || !rooms_.placer.knows(cluster, node)) {
    return Failure{arn, "AGENT", "Its agent is not connected."};
  }
  return std::nullopt;
}

}  // namespace berth::control
