// SPDX-License-Identifier: Apache-2.0
// A service's tasks over Availability Zones: one more in the emptiest, then scale-in takes one from
// the fullest.
#include <algorithm>

#include "core/control/run_parts.hpp"
#include "core/control/services/services.hpp"

namespace berth::control {
namespace {

event_text::InZones counts_of(const ZonePicture& picture) {
  event_text::InZones counts;
  for (const ZoneTasks& zone : picture.zones) counts[zone.zone] = zone.tasks;
  return counts;
}

}  // namespace

// A zone that comes or goes changes what is even.
void Services::look_at_zone(const ClusterName& cluster, const NodeId& node) {
  const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
  const bool here = instance && instance->cluster == cluster;
  if (!zones_.look(cluster, node, here ? instance.get() : nullptr)) return;
  for (auto at = entries_.lower_bound({cluster, ServiceName()});
       at != entries_.end() && at->first.cluster == cluster; ++at) {
    at->second.full_zones.clear();
    marked_.insert(at->first);
  }
}

ZonePicture Services::zones_of(const Current& now, const Entry& entry,
                               const ReplicaPicture& picture) const {
  ZonePicture zones;
  const Team& team = picture.primary;
  zones.total = team.staying.total();
  zones.upper = picture.bounds.upper;
  zones.settled =
      picture.old.empty() && picture.may_start && !picture.failed &&
      now.primary->data.rollout() == model::StoredServiceDeployment::ROLLOUT_COMPLETED &&
      team.draining.total() == 0 && team.stopping == 0 && team.staying.healthy == picture.desired &&
      zones.total == picture.desired;
  const auto& tasks = entry.roster.by_zone(now.primary->number);
  const auto& usable = zones_.of(now.service->id.cluster);
  for (const auto& [zone, in] : tasks) {
    const bool open = usable.count(zone) > 0 && entry.full_zones.count(zone) == 0;
    zones.zones.push_back({zone, in.tasks, in.movable, open});
  }
  for (const auto& [zone, instances] : usable) {
    if (tasks.count(zone) > 0) continue;
    zones.zones.push_back({zone, 0, 0, entry.full_zones.count(zone) == 0});
  }
  return zones;
}

void Services::rebalance(const Current& now, Entry& entry, const ReplicaPicture& picture) {
  if (now.service->data.availability_zone_rebalancing() != "ENABLED" || !now.service->active()) {
    return;
  }
  const ZonePicture zones = zones_of(now, entry, picture);
  const Rebalancing decision = rules_.rebalance(zones);
  const ServiceId& id = now.service->id;
  if (decision.start > 0) {
    rooms_.rollouts.say(id, event_text::unbalanced(counts_of(zones)), Repeat::Once);
    return start_in_zone(now, entry, decision);
  }
  if (!decision.balanced || !zones.settled || !now.service->data.rebalancing()) return;
  rooms_.rollouts.say(id, event_text::balanced(counts_of(zones)));
  rooms_.rollouts.edit(id, [](model::StoredService& change) { change.set_rebalancing(false); });
}

// By the same request as every task of the service, so that its constraints hold, in this zone
// only.
void Services::start_in_zone(const Current& now, Entry& entry, const Rebalancing& decision) {
  auto call = call_of(now);
  if (!call) return;
  call->operation = kRebalancing;
  call->count = decision.start;
  const RoutesPtr routes = routes_for(now, entry, *call);
  if (!routes) return;
  const Route& route = routes->front();
  Demand demand = demand_of(*call->cluster, call->definition.get(), call->request, route);
  demand.service = now.service->id.name.str();
  std::vector<TaskId> started;
  const bool allowed = demand.zones.empty() || std::find(demand.zones.begin(), demand.zones.end(),
                                                         decision.zone) != demand.zones.end();
  if (allowed) {
    demand.zones = {decision.zone};
    const auto outcome =
        rooms_.placer.place(demand, decision.start, rooms_.desk.rng().next(), Placer::Explain::No);
    if (!outcome) return hold(now, entry, event_text::cannot_run(outcome.error().message));
    Launches::Taken taken;
    rooms_.launches.take(*call, route, *outcome, taken);
    for (const TaskPtr& task : taken.answer.tasks) started.push_back(task->id);
  }
  if (static_cast<int>(started.size()) < decision.start) {
    // Another zone may still be less full than the fullest.
    entry.full_zones.insert(decision.zone);
    await_room(now.service->id, entry);
    marked_.insert(now.service->id);
  }
  if (started.empty()) return;
  rooms_.rollouts.say(now.service->id, event_text::moved_to(decision.zone, started));
  rooms_.rollouts.edit(now.service->id,
                       [](model::StoredService& change) { change.set_rebalancing(true); });
}

}  // namespace berth::control
