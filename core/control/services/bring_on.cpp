// SPDX-License-Identifier: Apache-2.0
// One service: from its counts by a decision to stops, starts and records.
#include <algorithm>

#include "core/control/services/services.hpp"

namespace berth::control {
namespace {

Percentages percentages_of(const model::StoredService& service) {
  const auto& configuration = service.deployment_configuration();
  return {configuration.minimum_healthy_percent(), configuration.maximum_percent()};
}

int desired_of(const Service& service) {
  return service.active() ? service.data.desired_count() : 0;
}

}  // namespace

void Services::bring_on(const ServiceId& id, Entry& entry) {
  if (rooms_.desk.state().service(id)->active()) {
    rooms_.rollouts.break_if_due(id, rules_.threshold);
  }
  Current now;
  now.service = rooms_.desk.state().service(id);
  now.primary = rooms_.desk.state().deployment(id, DeploymentNumber(now.service->data.primary()));
  BERTH_ASSERT(now.primary != nullptr);
  if (now.service->data.daemon()) {
    daemon(now, entry);
  } else {
    replica(now, entry);
  }
  settle(now, entry);
}

std::vector<DeploymentNumber> Services::old_ones(const Current& now, const Entry& entry) const {
  std::vector<std::pair<std::int64_t, DeploymentNumber>> by_age;
  for (const DeploymentNumber& number : entry.roster.deployments()) {
    if (number == now.primary->number) continue;
    const ServiceDeploymentPtr one = rooms_.desk.state().deployment(now.service->id, number);
    by_age.emplace_back(one ? one->data.created_at().ms() : 0, number);
  }
  std::sort(by_age.begin(), by_age.end());
  std::vector<DeploymentNumber> old;
  for (auto& [at, number] : by_age) old.push_back(std::move(number));
  return old;
}

ReplicaPicture Services::picture_of(const Current& now, const Entry& entry,
                                    const std::vector<DeploymentNumber>& old) const {
  ReplicaPicture picture;
  picture.desired = desired_of(*now.service);
  picture.bounds = rules_.bounds(picture.desired, percentages_of(now.service->data));
  picture.failed = now.primary->failed() && now.service->active();
  picture.deleting = !now.service->active();
  picture.primary = entry.roster.team(now.primary->number);
  for (const DeploymentNumber& number : old) picture.old.push_back(entry.roster.team(number));
  return picture;
}

// The throttle, and what else holds starts back for now.
bool Services::may_start(const Current& now, Entry& entry) {
  if (!now.service->active() || now.primary->failed()) return false;
  if (now.primary->data.has_restart_at()) {
    const Instant at(milliseconds(now.primary->data.restart_at().ms()));
    if (at > rooms_.desk.now()) {
      wake_at(now.service->id, entry, at);
      return false;
    }
  }
  return true;
}

void Services::replica(const Current& now, Entry& entry) {
  const std::vector<DeploymentNumber> old = old_ones(now, entry);
  ReplicaPicture picture = picture_of(now, entry, old);
  picture.may_start = may_start(now, entry);
  const ReplicaDecision decision = rules_.replica(picture);
  std::vector<TaskId> leaving = pick_stops(now, entry, now.primary->number, decision.primary);
  for (std::size_t i = 0; i < old.size(); ++i) {
    const auto more = pick_stops(now, entry, old[i], decision.old[i]);
    leaving.insert(leaving.end(), more.begin(), more.end());
  }
  if (decision.start > 0 && !entry.waits) start(now, entry, decision.start);
  stop(now.service->id, entry, leaving);
  if (decision.start == 0 && leaving.empty()) rebalance(now, entry, picture);
  if (decision.stuck) rooms_.rollouts.say(now.service->id, event_text::stuck(), Repeat::Once);
  if (decision.blocked_by_protection) {
    rooms_.rollouts.say(now.service->id, event_text::too_many_protected(now.primary->number),
                        Repeat::Once);
  }
}

void Services::daemon(const Current& now, Entry& entry) {
  look_at_nodes(now.service->id, entry);
  const bool awaits = awaits_hosts(now.service->id.cluster);
  if (now.service->active() && now.service->data.desired_count() != entry.posts.eligible() &&
      !awaits) {
    rooms_.rollouts.edit(now.service->id, [&](model::StoredService& change) {
      change.set_desired_count(entry.posts.eligible());
    });
    marked_.insert(now.service->id);  // fewer failures may be enough for the breaker now
  }
  DaemonPicture picture;
  entry.posts.describe(picture);
  // Hosts that may come back are still of those whose share must stay healthy.
  if (awaits) picture.eligible = std::max(picture.eligible, now.service->data.desired_count());
  picture.percentages = percentages_of(now.service->data);
  picture.failed = now.primary->failed() && now.service->active();
  picture.may_start = may_start(now, entry);
  const DaemonDecision decision = rules_.daemon(picture);
  std::vector<TaskId> leaving;
  const auto add = [&](const Posts::Tasks& tasks, int count) {
    for (const auto& [node, id] : tasks) {
      if (count-- <= 0) break;
      leaving.push_back(id);
    }
  };
  add(entry.posts.surplus(), decision.stop_surplus);
  add(entry.posts.unhealthy(), decision.stop_unhealthy);
  add(entry.posts.outdated_unready(), decision.stop_outdated_unready);
  add(entry.posts.outdated_healthy(), decision.stop_outdated_healthy);
  if (decision.start > 0 && !entry.waits) start_on_posts(now, entry);
  stop(now.service->id, entry, leaving);
}

// A draining instance with tasks of other kinds than DAEMON, which go before those.
bool Services::serves_others_while_draining(const NodeId& node) const {
  const State& state = rooms_.desk.state();
  const ContainerInstancePtr instance = state.instance(node);
  if (!instance || instance->status != InstanceStatus::Draining) return false;
  const std::set<TaskId>& tasks = state.tasks_on(node);
  return std::any_of(tasks.begin(), tasks.end(), [&](const TaskId& id) {
    const TaskPtr task = state.task(id);
    if (task->last_status == TaskStatus::Stopped) return false;
    const ServicePtr service = state.service({task->cluster, task->launch->service});
    return !service || !service->data.daemon();
  });
}

void Services::look_at_nodes(const ServiceId& id, Entry& entry) {
  const std::set<NodeId> nodes = std::move(entry.nodes_to_look_at);
  entry.nodes_to_look_at.clear();
  const ServicePtr service = rooms_.desk.state().service(id);
  const DeploymentNumber primary(service->data.primary());
  for (const NodeId& node : nodes) {
    Posts::Wanted wanted = Posts::Wanted::No;
    if (service->active()) {
      if (eligible(id, entry, node)) {
        wanted = Posts::Wanted::Yes;
      } else if (serves_others_while_draining(node)) {
        wanted = Posts::Wanted::Last;
      }
    }
    entry.posts.look(node, wanted, entry.roster, primary);
  }
}

// What has come of it: deployments that are over, a rollout that is complete, the end of the
// service.
void Services::settle(const Current& now, Entry& entry) {
  const ServiceId& id = now.service->id;
  const State::Deployments all = rooms_.desk.state().deployments_of(id);
  bool alone = true;
  for (const auto& [number, one] : all) {
    if (one->primary()) continue;
    const Team team = entry.roster.team(number);
    const int leaving = team.staying.total() + team.stopping;
    const bool over = leaving + team.draining.total() == 0;
    // A DAEMON's task on a draining instance stays as long as others are there, for as long as they
    // like: no rollout waits for that.
    alone = alone && (over || (now.service->data.daemon() && leaving == 0));
    if (over && one->current()) rooms_.rollouts.retire(id, number);
  }
  if (!now.service->active()) {
    if (!entry.roster.empty()) return;
    rooms_.rollouts.edit(id, [&](model::StoredService& change) {
      change.set_status("INACTIVE");
      change.mutable_inactive_since()->set_ms(rooms_.desk.now().time_since_epoch().count());
    });
    rooms_.rollouts.retire(id, now.primary->number);
    marked_.insert(id);
    if (inactive_) inactive_(id);
    return;
  }
  if (now.service->data.daemon() && awaits_hosts(id.cluster)) return;
  const Team team = entry.roster.team(now.primary->number);
  const int there = team.staying.total() + team.draining.total();
  const bool steady =
      alone && !now.primary->failed() &&
      (now.service->data.daemon() ? entry.posts.steady()
                                  : team.staying.healthy == now.service->data.desired_count() &&
                                        there == now.service->data.desired_count());
  if (!steady) {
    if (now.service->data.steady()) {
      rooms_.rollouts.edit(id, [](model::StoredService& change) { change.set_steady(false); });
    }
    return;
  }
  if (now.primary->in_progress()) {
    rooms_.rollouts.complete(id);
    marked_.insert(id);  // from here on its tasks may be moved between zones
  }
  if (rooms_.desk.state().service(id)->data.steady()) return;
  rooms_.rollouts.say(id, event_text::steady());
  rooms_.rollouts.edit(id, [](model::StoredService& change) { change.set_steady(true); });
}

}  // namespace berth::control
