// SPDX-License-Identifier: Apache-2.0
#include "core/control/questions.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/control/names.hpp"
#include "core/control/refusals.hpp"
#include "core/control/run_parts.hpp"
#include "core/model/host_name.hpp"

namespace berth::control {
namespace {

constexpr const char* kZone = "ecs.availability-zone";
constexpr int kMaxGpus = 1024;
constexpr int kMaxPort = 65535;

tl::unexpected<Error> refused(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

model::RunTaskRequest as_run(const model::PlanTaskRequest& in) {
  model::RunTaskRequest out;
  out.set_cluster(in.cluster());
  out.set_task_definition(in.task_definition());
  if (in.has_launch_type()) out.set_launch_type(in.launch_type());
  *out.mutable_capacity_provider_strategy() = in.capacity_provider_strategy();
  *out.mutable_placement_constraints() = in.placement_constraints();
  *out.mutable_placement_strategy() = in.placement_strategy();
  if (in.has_group()) out.set_group(in.group());
  if (in.has_overrides()) *out.mutable_overrides() = in.overrides();
  if (in.has_network_configuration()) {
    *out.mutable_network_configuration() = in.network_configuration();
  }
  if (in.has_platform_version()) out.set_platform_version(in.platform_version());
  return out;
}

Result<void> check(const model::PlanTaskRequest& request) {
  if (request.has_count() && (request.count() < 1 || request.count() > Questions::kMaxCount)) {
    return refused("count should be between 1 and 10000.", "count");
  }
  if (request.task_definition().empty() == !request.has_requirement()) {
    return refused("PlanTask takes either taskDefinition or requirement.", "taskDefinition");
  }
  if (request.has_launch_type() && request.capacity_provider_strategy_size() > 0) {
    return refused(
        "Specifying both a launch type and a capacity provider strategy is not supported. "
        "Remove one and try again.",
        "capacityProviderStrategy");
  }
  return {};
}

Result<v1::Requirement> needs_of_plan(const model::PlanRequirement& in) {
  if (in.cpu() < 0 || in.cpu() > placement::kMaxAmount) {
    return refused("requirement.cpu is out of range.", "requirement.cpu");
  }
  if (in.memory() < 0 || in.memory() > placement::kMaxAmount) {
    return refused("requirement.memory is out of range.", "requirement.memory");
  }
  if (in.gpus() < 0 || in.gpus() > kMaxGpus) {
    return refused("requirement.gpus should be between 0 and 1024.", "requirement.gpus");
  }
  v1::Requirement out;
  out.set_cpu(in.cpu());
  out.set_memory_mib(in.memory());
  if (in.gpus() > 0) {
    out.add_devices()->set_type("GPU");
    out.mutable_devices(0)->set_count(in.gpus());
  }
  for (const auto& port : in.ports()) {
    if (port.host_port() < 1 || port.host_port() > kMaxPort) {
      return refused("A hostPort should be between 1 and 65535.", "requirement.ports.hostPort");
    }
    if (port.has_protocol() && port.protocol() != "tcp" && port.protocol() != "udp") {
      return refused("A protocol should be one of [tcp,udp].", "requirement.ports.protocol");
    }
    v1::Port* one = out.add_ports();
    one->set_number(static_cast<std::uint32_t>(port.host_port()));
    one->set_protocol(port.protocol() == "udp" ? v1::Port::PROTOCOL_UDP : v1::Port::PROTOCOL_TCP);
  }
  for (const auto& attribute : in.attributes()) *out.add_attributes() = attribute;
  return out;
}

// Every plugin on the way is taken to need the same.
void assume(const v1::Requirement& needs, const RoutesPtr& routes) {
  const auto plan = std::make_shared<v1::PlanResponse>();
  *plan->mutable_requirement() = needs;
  for (Route& route : *routes) {
    for (const PluginName& plugin : route.plugins) route.plans[plugin] = plan;
  }
}

// The call that would ask for the like of this task.
model::RunTaskRequest request_like(const Task& task) {
  const Launch& launch = *task.launch;
  model::RunTaskRequest out;
  if (launch.capacity_provider.empty()) out.set_launch_type(launch.launch_type);
  out.set_group(launch.group);
  *out.mutable_overrides() = launch.overrides;
  if (launch.network_configuration) {
    *out.mutable_network_configuration() = *launch.network_configuration;
  }
  out.set_platform_version(launch.platform_version);
  for (const auto& one : launch.placement_constraints) *out.add_placement_constraints() = one;
  for (const auto& one : launch.placement_strategy) *out.add_placement_strategy() = one;
  return out;
}

}  // namespace

void Questions::plan(const PlanTask& command, Reply reply) {
  const auto refuse = [&](const Error& error) { answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  const model::PlanTaskRequest& request = command.request;
  if (auto ok = check(request); !ok) return refuse(ok.error());
  auto cluster = find_cluster(state, request.cluster(), rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  const auto plan = std::make_shared<Plan>();
  plan->request = as_run(request);
  plan->cluster = *cluster;
  plan->count = request.has_count() ? request.count() : 1;
  if (!request.has_requirement()) {
    auto definition = find_active_definition(state, request.task_definition());
    if (!definition) return refuse(definition.error());
    plan->definition = *definition;
  }
  auto routes = rooms_.routes.of_request(plan->request, **cluster, plan->definition.get());
  if (!routes) return refuse(routes.error());
  plan->routes = *routes;
  if (plan->definition) {
    const auto zones = rooms_.networks.check(*plan->definition, plan->request);
    if (!zones) return refuse(zones.error());
    for (Route& route : *plan->routes) route.zones = *zones;
  }
  plan->reply = reply;
  const auto done = [this, plan] {
    auto answered = try_out(*plan);
    if (answered) return answer(plan->reply, Answer(*std::move(answered)));
    answer(plan->reply, tl::unexpected(answered.error()));
  };
  if (plan->definition) {
    return rooms_.routes.plan(*plan->definition, plan->request, plan->routes, done);
  }
  auto needs = needs_of_plan(request.requirement());
  if (!needs) return refuse(needs.error());
  assume(*needs, plan->routes);
  done();
}

Result<PlanTaskAnswer> Questions::try_out(const Plan& plan) {
  std::vector<Share> shares;
  for (const Route& route : *plan.routes) {
    if (route.plans.empty()) return tl::unexpected(route.refusals.front());
    shares.push_back({route.base, route.weight});
  }
  PlanTaskAnswer out;
  out.count = plan.count;
  std::map<NodeId, std::size_t> known;  // index into out.places
  std::vector<Placer::Place> held;      // a route sees what those before it took, as in RunTask
  std::optional<Error> error;
  const std::vector<int> counts = split(plan.count, shares);
  for (std::size_t i = 0; i < plan.routes->size() && !error; ++i) {
    if (counts[i] == 0) continue;
    const Route& route = (*plan.routes)[i];
    const Demand demand = demand_of(*plan.cluster, plan.definition.get(), plan.request, route);
    out.group = demand.group;
    out.constraints = demand.constraints;
    out.strategies = strategies_in_force(rooms_.desk.config().strategies, demand);
    // No chance is drawn, or the next RunTask would draw another.
    auto outcome = rooms_.placer.try_out(demand, counts[i], 0);
    if (!outcome) {
      error = outcome.error();
      continue;
    }
    for (const Placer::Place& place : outcome->places) {
      const auto [at, fresh] = known.emplace(place.node, out.places.size());
      if (fresh) {
        TaskPlace& one =
            out.places.emplace_back(place_of(plan.cluster->name, place.node, place.plugin));
        one.launch_type = route.launch_type;
        one.capacity_provider = route.capacity_provider;
      }
      ++out.places[at->second].tasks;
    }
    out.placed += static_cast<int>(outcome->places.size());
    merge(out.refusals, outcome->refusals);
    held.insert(held.end(), outcome->places.begin(), outcome->places.end());
  }
  rooms_.placer.give_back(held);
  if (error) return tl::unexpected(*error);
  return out;
}

void Questions::explain(const ExplainTask& command, Reply reply) {
  const auto refuse = [&](const Error& error) { answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  auto cluster = find_cluster(state, command.cluster, rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  if (command.task.empty()) return explain_group(**cluster, command.group, reply);
  auto task = find_task(state, (*cluster)->name, command.task);
  if (!task) return refuse(task.error());
  const auto why = std::make_shared<Why>();
  why->cluster = *cluster;
  why->task = *task;
  why->request = request_like(**task);
  why->reply = reply;
  Route route;
  route.launch_type = (*task)->launch->launch_type;
  route.capacity_provider = (*task)->launch->capacity_provider;
  route.plugins = route.capacity_provider.empty()
                      ? rooms_.plugins.serving_launch_type(route.launch_type)
                      : rooms_.plugins.serving_provider(route.capacity_provider);
  route.pooled = rooms_.routes.is_pooled(route);
  // A subnet that is gone from the configuration since says nothing.
  const auto zones = rooms_.networks.check(*(*task)->definition, why->request);
  if (zones) route.zones = *zones;
  why->routes = std::make_shared<std::vector<Route>>(1, std::move(route));
  rooms_.routes.plan(*(*task)->definition, why->request, why->routes, [this, why] {
    auto answered = survey(*why);
    if (answered) return answer(why->reply, Answer(*std::move(answered)));
    answer(why->reply, tl::unexpected(answered.error()));
  });
}

void Questions::explain_group(const Cluster& cluster, const std::string& group,
                              const Reply& reply) {
  ExplainTaskAnswer out;
  out.unplaced = rooms_.unplaced.last(cluster.name, group);
  if (out.unplaced) return answer(reply, Answer(std::move(out)));
  answer(reply, fail(Errc::NotFound,
                     "No call for the group '" + group + "' in the cluster " + cluster.name.str() +
                         " has left tasks without a place since the control plane started. "
                         "`berth plan` tells where tasks would go now.",
                     Subject::Request, "group"));
}

Result<ExplainTaskAnswer> Questions::survey(const Why& why) {
  const State& state = rooms_.desk.state();
  ExplainTaskAnswer out;
  out.task = state.task(why.task->id);
  if (!out.task) out.task = why.task;  // its time was over while plans were made
  const Task& task = *out.task;
  out.instance = state.instance(task.node);
  out.place = place_of(task.cluster, task.node, task.plugin);
  out.place.launch_type = task.launch->launch_type;
  out.place.capacity_provider = task.launch->capacity_provider;
  out.place.tasks = 1;
  Demand demand = demand_of(*why.cluster, task.definition.get(), why.request, why.routes->front());
  demand.service = task.launch->service.str();
  // What it holds is a fact, whatever its plugin would plan today.
  const auto own = std::find_if(demand.needs.begin(), demand.needs.end(),
                                [&](const auto& one) { return one.first == task.plugin; });
  if (own != demand.needs.end()) {
    own->second = task.launch->requirement;
  } else {
    demand.needs.emplace_back(task.plugin, task.launch->requirement);
  }
  out.constraints = demand.constraints;
  const bool by_strategies =
      task.launch->placed_by == "RunTask" || task.launch->placed_by == "service";
  if (by_strategies) {
    out.strategies = strategies_in_force(rooms_.desk.config().strategies, demand);
  }
  auto survey = rooms_.placer.survey(demand, task);
  if (!survey) return tl::unexpected(survey.error());
  out.node_known = survey->place_known;
  // StartTask's caller chose the place, and of older records it is not known who did.
  if (by_strategies) out.terms = std::move(survey->terms);
  out.place_refuses = std::move(survey->place_refuses);
  out.others_that_fit = survey->others_that_fit;
  out.refusals = std::move(survey->refusals);
  return out;
}

TaskPlace Questions::place_of(const ClusterName& cluster, const NodeId& node,
                              const PluginName& plugin) const {
  TaskPlace out;
  out.plugin = plugin;
  const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
  if (!instance) {
    if (rooms_.placer.knows(cluster, node)) out.zone = rooms_.placer.zone_of(cluster, node);
    return out;
  }
  out.instance_arn = rooms_.desk.config().realm.container_instance_arn(cluster, node);
  out.ec2_instance_id = instance->node.ec2_instance_id();
  out.hostname = host_name_of(instance->node);
  for (const auto& attribute : instance->node.attributes()) {
    if (attribute.name() == kZone) out.zone = attribute.value();
  }
  return out;
}

}  // namespace berth::control
