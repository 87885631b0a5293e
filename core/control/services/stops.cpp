// SPDX-License-Identifier: Apache-2.0
// Tasks of a service that are to stop: from a decision's counts to tasks.
#include <algorithm>

#include "core/control/run_parts.hpp"
#include "core/control/services/services.hpp"

namespace berth::control {
namespace {

model::PlacementStrategy spread_over_zones() {
  model::PlacementStrategy spread;
  spread.set_type("spread");
  spread.set_field("attribute:ecs.availability-zone");
  return spread;
}

}  // namespace

// Tasks of older deployments go oldest first. Of the PRIMARY deployment's that serve, it is
// placement's to say which leave the best rest.
std::vector<TaskId> Services::pick_stops(const Current& now, Entry& entry,
                                         const DeploymentNumber& deployment, const Stops& stops) {
  std::vector<TaskId> picked;
  const bool primary = deployment == now.primary->number;
  const auto pick = [&](Standing standing, bool draining, int count) {
    if (count <= 0) return;
    const auto wanted = static_cast<std::size_t>(count);
    const bool chosen = primary && !draining && now.service->active() &&
                        (standing == Standing::Starting || standing == Standing::Healthy);
    const bool guarded_too = !now.service->active() || draining || standing == Standing::Unhealthy;
    const std::vector<TaskId> some =
        chosen ? choose_stops(now, entry, standing, wanted)
               : entry.roster.pick(
                     {deployment, standing, draining},
                     {.count = wanted, .guarded_too = guarded_too, .newest_first = primary});
    picked.insert(picked.end(), some.begin(), some.end());
  };
  for (const bool draining : {false, true}) {
    const Tally& tally = draining ? stops.draining : stops.staying;
    pick(Standing::Pending, draining, tally.pending);
    pick(Standing::Unhealthy, draining, tally.unhealthy);
    pick(Standing::Starting, draining, tally.starting);
    pick(Standing::Healthy, draining, tally.healthy);
  }
  return picked;
}

// What the service's strategies are to leave in balance.
std::optional<Demand> Services::demand_of_rest(const Current& now, const Entry& entry,
                                               const TaskId& one) const {
  const auto call = call_of(now);
  if (!call) return std::nullopt;
  const bool planned = entry.routes && entry.routes_of == now.primary->number;
  Demand demand = demand_of(*call->cluster, call->definition.get(), call->request,
                            planned ? entry.routes->front() : Route());
  // What is moved to an emptier zone must not be what is taken from it again, by whatever default
  // the operator has.
  if (demand.strategies.empty() && now.service->data.availability_zone_rebalancing() == "ENABLED") {
    demand.strategies = {spread_over_zones()};
  }
  demand.service = now.service->id.name.str();
  // After a restart no plan is known, and none is needed for this.
  if (!planned) demand.needs = {{rooms_.desk.state().task(one)->plugin, v1::Requirement()}};
  return demand;
}

std::vector<TaskId> Services::choose_stops(const Current& now, Entry& entry, Standing standing,
                                           std::size_t wanted) {
  const Roster::Kind kind{now.primary->number, standing, false};
  const auto newest = [&](std::size_t count) {
    return entry.roster.pick(kind, {.count = count, .newest_first = true});
  };
  std::vector<TaskId> some = newest(wanted + 1);
  if (some.size() <= wanted) return some;
  const auto demand = demand_of_rest(now, entry, some.front());
  std::vector<TaskId> chosen;
  if (demand) {
    if (!entry.leavers || entry.leavers->deployment() != now.primary->number) {
      entry.leavers = std::make_unique<Leavers>(
          rooms_.placer, Leavers::Of{now.service->id.cluster, now.primary->number}, entry.roster);
    }
    auto said = entry.leavers->choose(*demand, standing,
                                      {.count = wanted, .dice = rooms_.desk.rng().next()});
    if (said) chosen = *std::move(said);
  }
  if (chosen.size() == wanted) return chosen;
  // Tasks on nodes that placement does not know now follow, the newest first.
  const std::set<TaskId> known(chosen.begin(), chosen.end());
  for (const TaskId& id : newest(wanted + chosen.size())) {
    if (chosen.size() == wanted) break;
    if (known.count(id) == 0) chosen.push_back(id);
  }
  return chosen;
}

void Services::stop(const ServiceId& id, const Entry& entry, const std::vector<TaskId>& tasks) {
  if (tasks.empty()) return;
  for (const TaskId& task : tasks) {
    const Member* member = entry.roster.find(task);
    if (member == nullptr) continue;
    const bool unhealthy = member->standing == Standing::Unhealthy;
    const DeploymentNumber number = member->deployment;
    if (unhealthy) {
      rooms_.rollouts.task_ended(*rooms_.desk.state().task(task), TaskEnd::FailedHealth);
    }
    const std::string scaled =
        "Scaling activity initiated by (deployment " + deployment_name(number) + ")";
    rooms_.tasks.request_stop(task, {StopCode::ServiceSchedulerInitiated,
                                     unhealthy ? "Task failed container health checks" : scaled});
    rooms_.delivery.pursue(task);
  }
  rooms_.rollouts.say(id, event_text::stopped(tasks));
}

}  // namespace berth::control
