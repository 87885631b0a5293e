// SPDX-License-Identifier: Apache-2.0
// Tasks of a service that are to be started: plans, places, launches, by the same rooms as
// RunTask's.
#include <algorithm>

#include "core/control/run_parts.hpp"
#include "core/control/services/services.hpp"

namespace berth::control {
namespace {

using Stored = model::StoredServiceDeployment;

// After it the plugin is asked again, and places are looked for again, though nothing has happened.
constexpr milliseconds kSafetyNet = std::chrono::seconds(30);

void add_tag(model::RunTaskRequest& request, const char* key, const std::string& value) {
  ecs::Tag& tag = *request.add_tags();
  tag.set_key(key);
  tag.set_value(value);
}

model::RunTaskRequest run_request(const Service& service, const ServiceDeployment& deployment) {
  const model::StoredService& from = service.data;
  const Stored& revision = deployment.data;
  model::RunTaskRequest request;
  request.set_cluster(service.id.cluster.str());
  request.set_group("service:" + service.id.name.str());
  request.set_started_by(deployment_name(deployment.number));
  *request.mutable_capacity_provider_strategy() = revision.capacity_provider_strategy();
  if (revision.capacity_provider_strategy_size() == 0) {
    request.set_launch_type(revision.launch_type());
  }
  if (!revision.platform_version().empty()) {
    request.set_platform_version(revision.platform_version());
  }
  if (revision.has_network_configuration()) {
    *request.mutable_network_configuration() = revision.network_configuration();
  }
  *request.mutable_placement_constraints() = from.placement_constraints();
  *request.mutable_placement_strategy() = from.placement_strategy();
  request.set_enable_execute_command(from.enable_execute_command());
  if (from.propagate_tags() == "SERVICE") *request.mutable_tags() = from.tags();
  if (from.propagate_tags() == "TASK_DEFINITION") request.set_propagate_tags("TASK_DEFINITION");
  if (from.enable_ecs_managed_tags()) {
    request.set_enable_ecs_managed_tags(true);
    add_tag(request, "aws:ecs:serviceName", service.id.name.str());
  }
  return request;
}

}  // namespace

std::optional<Launches::Call> Services::call_of(const Current& now) const {
  Launches::Call call;
  call.operation = "service";
  call.request = run_request(*now.service, *now.primary);
  call.cluster = rooms_.desk.state().cluster(now.service->id.cluster);
  call.definition = rooms_.desk.state().definition(
      {FamilyName(now.primary->data.family()), now.primary->data.revision()});
  if (!call.cluster || !call.definition) return std::nullopt;
  call.service = now.service->id.name;
  call.deployment = now.primary->number;
  for (const model::ContainerImage& image : now.primary->data.images()) {
    call.pinned_digests[image.container_name()] = image.image_digest();
  }
  return call;
}

RoutesPtr Services::routes_for(const Current& now, Entry& entry, const Launches::Call& call) {
  const DeploymentNumber& number = now.primary->number;
  if (entry.routes && entry.routes_of == number) return entry.routes;
  if (entry.planning == number) return nullptr;
  auto routes = rooms_.routes.of_request(call.request, *call.cluster, call.definition.get());
  if (!routes) {
    hold(now, entry, event_text::cannot_run(routes.error().message));
    return nullptr;
  }
  const auto zones = rooms_.networks.check(*call.definition, call.request);
  if (!zones) {
    hold(now, entry, event_text::cannot_run(zones.error().message));
    return nullptr;
  }
  for (Route& route : **routes) route.zones = *zones;
  entry.planning = number;
  const ServiceId id = now.service->id;
  rooms_.routes.plan(*call.definition, call.request, *routes,
                     [this, id, number, plan = *routes] { planned(id, number, plan); });
  return entry.routes && entry.routes_of == number ? entry.routes : nullptr;
}

void Services::planned(const ServiceId& id, const DeploymentNumber& number,
                       const RoutesPtr& routes) {
  const auto at = entries_.find(id);
  if (at == entries_.end() || at->second.planning != number) return;
  Entry& entry = at->second;
  entry.planning = {};
  Current now;
  now.service = rooms_.desk.state().service(id);
  now.primary = rooms_.desk.state().deployment(id, number);
  if (!now.service || !now.primary) return;
  for (const Route& route : *routes) {
    if (!route.plans.empty()) continue;
    hold(now, entry, event_text::cannot_run(route.refusals.front().message));
    return;
  }
  entry.routes = routes;
  entry.routes_of = number;
  if (now.service->data.daemon()) {
    entry.nodes_to_look_at = rooms_.desk.state().instances_of(id.cluster);
  }
  marked_.insert(id);
}

// Until an event says that it may go on; or until the net catches it.
void Services::hold(const Current& now, Entry& entry, const std::string& why) {
  entry.waits = true;
  if (!why.empty() && !entry.said_why) {
    entry.said_why = true;
    rooms_.rollouts.say(now.service->id, why, Repeat::Once);
  }
  await_room(now.service->id, entry);
}

void Services::await_room(const ServiceId& id, Entry& entry) {
  waiting_[id.cluster].insert(id);
  wake_at(id, entry, rooms_.desk.now() + kSafetyNet);
}

// A tag is resolved once for a deployment, by its first task; the others wait for what that says.
// Not for ever: it may lie on a host that has gone.
int Services::start_until_resolved(const Current& now, Entry& entry, const Launches::Call& call,
                                   int count) {
  const ServiceDeployment& deployment = *now.primary;
  // What has run without a word of digests is of a launch type that has none.
  if (deployment.data.has_run() || !has_open_tags(deployment, call.definition->message)) {
    return count;
  }
  std::optional<Instant> first;
  for (const bool draining : {false, true}) {
    const auto oldest = entry.roster.pick({deployment.number, Standing::Pending, draining},
                                          {.count = 1, .guarded_too = true});
    if (oldest.empty()) continue;
    const Instant made = entry.roster.find(oldest.front())->created_at;
    first = std::min(first.value_or(made), made);
  }
  if (!first) return std::min(count, 1);
  const Instant until = *first + rules_.resolution_wait;
  if (until <= rooms_.desk.now()) return count;
  wake_at(now.service->id, entry, until);
  return 0;
}

// So that all tasks of the deployment together keep to the strategy's bases and weights.
std::vector<int> Services::counts_by_route(const Current& now, const Entry& entry,
                                           const std::vector<Route>& routes, int count) const {
  if (routes.size() == 1) return {count};
  const std::map<std::string, int>& current = entry.roster.by_provider(now.primary->number);
  int all = count;
  for (const auto& [provider, tasks] : current) all += tasks;
  std::vector<Share> shares;
  for (const Route& route : routes) shares.push_back({route.base, route.weight});
  std::vector<int> counts = split(all, shares);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto there = current.find(routes[i].capacity_provider);
    const int more = counts[i] - (there == current.end() ? 0 : there->second);
    counts[i] = std::clamp(more, 0, count);
    count -= counts[i];
  }
  return counts;
}

void Services::start(const Current& now, Entry& entry, int wanted) {
  auto call = call_of(now);
  if (!call) return;
  const int count = start_until_resolved(now, entry, *call, std::min(wanted, kMaxStartsAtOnce));
  if (count == 0) return;
  call->count = count;
  const RoutesPtr routes = routes_for(now, entry, *call);
  if (!routes) return;
  // Why nothing fits costs a look at each node: it is asked for once.
  const auto explain = entry.said_why ? Placer::Explain::No : Placer::Explain::Yes;
  const std::vector<int> counts = counts_by_route(now, entry, *routes, count);
  Launches::Taken taken;
  for (std::size_t i = 0; i < routes->size(); ++i) {
    if (counts[i] == 0) continue;
    const Route& route = (*routes)[i];
    Demand demand = demand_of(*call->cluster, call->definition.get(), call->request, route);
    demand.service = now.service->id.name.str();
    const auto outcome = rooms_.reclaims.place({.demand = demand,
                                                .provider = route.capacity_provider,
                                                .count = counts[i],
                                                .explain = explain});
    if (!outcome) return hold(now, entry, event_text::cannot_run(outcome.error().message));
    rooms_.launches.take(*call, route, *outcome, taken);
  }
  std::vector<TaskId> started;
  for (const TaskPtr& task : taken.answer.tasks) started.push_back(task->id);
  launched(now, started);
  // A place may be of no use for want of an address.
  if (static_cast<int>(started.size()) >= count) {
    entry.said_why = false;
    if (count == kMaxStartsAtOnce && count < wanted) {
      wake_at(now.service->id, entry, rooms_.desk.now());
    }
    return;
  }
  std::string why;
  if (explain == Placer::Explain::Yes) {
    rooms_.launches.close(*call, taken);
    why = event_text::unplaced(taken.refusals);
  }
  hold(now, entry, why);
}

void Services::start_on_posts(const Current& now, Entry& entry) {
  auto call = call_of(now);
  if (!call) return;
  const std::set<NodeId> vacant = entry.posts.vacant();
  const int most = start_until_resolved(now, entry, *call, static_cast<int>(vacant.size()));
  if (most == 0) return;
  call->count = 1;
  const RoutesPtr routes = routes_for(now, entry, *call);
  if (!routes) return;
  const Route& route = routes->front();
  Demand demand = demand_of(*call->cluster, call->definition.get(), call->request, route);
  demand.service = now.service->id.name.str();
  std::vector<TaskId> started;
  std::vector<RefusalCount> refusals;
  for (const NodeId& node : vacant) {
    if (static_cast<int>(started.size()) == most) break;
    if (static_cast<int>(started.size()) == kMaxStartsAtOnce) {
      wake_at(now.service->id, entry, rooms_.desk.now());
      break;
    }
    const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
    if (!instance || route.plans.count(instance->plugin) == 0 ||
        !rooms_.placer.knows(now.service->id.cluster, node)) {
      continue;
    }
    const auto outcome = rooms_.placer.place_on(demand, node);
    if (!outcome) return hold(now, entry, event_text::cannot_run(outcome.error().message));
    if (outcome->missing > 0) {
      refusals = outcome->refusals;
      continue;
    }
    Launches::Taken taken;
    rooms_.launches.take(*call, route, *outcome, taken);
    for (const TaskPtr& task : taken.answer.tasks) started.push_back(task->id);
    if (taken.answer.tasks.empty()) refusals = taken.refusals;
  }
  launched(now, started);
  if (!refusals.empty()) hold(now, entry, event_text::unplaced(refusals));
}

void Services::launched(const Current& now, const std::vector<TaskId>& tasks) {
  if (!tasks.empty()) rooms_.rollouts.say(now.service->id, event_text::started(tasks));
}

// ACTIVE, and within the placement constraints. Of an instance that is away the last word counts:
// its task stays.
bool Services::eligible(const ServiceId& id, Entry& entry, const NodeId& node) {
  const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
  if (!instance || instance->cluster != id.cluster || instance->status != InstanceStatus::Active) {
    return false;
  }
  const bool known = entry.posts.is_eligible(node) || !entry.roster.on(node).empty();
  if (!instance->node.connected() || !rooms_.placer.knows(id.cluster, node) ||
      rooms_.desk.state().is_held(node)) {
    return known;
  }
  Current now;
  now.service = rooms_.desk.state().service(id);
  now.primary = rooms_.desk.state().deployment(id, DeploymentNumber(now.service->data.primary()));
  const auto call = call_of(now);
  if (!call) return known;
  // Whether the constraints hold, whatever is left on the node: asked for nothing but a place.
  Route route;
  Demand demand = demand_of(*call->cluster, call->definition.get(), call->request, route);
  demand.service = id.name.str();
  v1::Requirement bare;
  if (entry.routes && entry.routes_of == now.primary->number) {
    const auto plan = entry.routes->front().plans.find(instance->plugin);
    if (plan == entry.routes->front().plans.end()) return false;
    *bare.mutable_attributes() = plan->second->requirement().attributes();
    demand.zones = entry.routes->front().zones;
  }
  demand.needs = {{instance->plugin, bare}};
  return rooms_.placer.would_take(demand, node).value_or(known);
}

}  // namespace berth::control
