// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/services.hpp"

#include <algorithm>

namespace berth::control {
namespace {

// Hosts that do not come back this long after a restart are not waited for.
constexpr milliseconds kReturn = std::chrono::minutes(2);

ServiceId service_of(const Task& task) {
  return {task.cluster, task.launch->service};
}

}  // namespace

void Services::restore() {
  for (const auto& [node, instance] : rooms_.desk.state().instances()) {
    zones_.look(instance->cluster, node, instance.get());
    if (instance->status == InstanceStatus::Active && !instance->node.connected()) {
      unseen_[instance->cluster].insert(node);
    }
  }
  unseen_until_ = rooms_.desk.now() + kReturn;
  rooms_.desk.alarms().set(unseen_until_, [this] {
    for (const auto& [cluster, ids] : daemons_) marked_.insert(ids.begin(), ids.end());
  });
  for (const auto& [id, service] : rooms_.desk.state().services()) {
    if (service->inactive()) continue;
    service_changed(id);
    for (const TaskId& task : rooms_.desk.state().tasks_of(id)) {
      const TaskPtr one = rooms_.desk.state().task(task);
      // What followed from it was recorded before the restart.
      if (one->last_status == TaskStatus::Stopped) continue;
      place_member(*one, Follow::No);
      if (became_healthy_unseen(*one)) rooms_.rollouts.task_healthy(*one);
    }
  }
}

bool Services::became_healthy_unseen(const Task& task) const {
  const ServiceId id = service_of(task);
  const ServicePtr service = rooms_.desk.state().service(id);
  const ServiceDeploymentPtr deployment =
      rooms_.desk.state().deployment(id, task.launch->deployment);
  if (!service || !deployment) return false;
  const StandingAt at = standing_of(task, rules_of(*service), rooms_.desk.now());
  return at.healthy_since &&
         at.healthy_since->time_since_epoch().count() > deployment->data.updated_at().ms();
}

HealthRules Services::rules_of(const Service& service) const {
  return {rooms_.desk.config().service_healthy_after,
          std::chrono::seconds(service.data.health_check_grace_period_seconds())};
}

bool Services::awaits_hosts(const ClusterName& cluster) const {
  const auto unseen = unseen_.find(cluster);
  return unseen != unseen_.end() && !unseen->second.empty() && rooms_.desk.now() < unseen_until_;
}

Services::Entry& Services::entry_of(const ServiceId& id) {
  const auto [at, first] = entries_.try_emplace(id);
  if (first) {
    const ServicePtr service = rooms_.desk.state().service(id);
    if (service && service->data.daemon()) {
      daemons_[id.cluster].insert(id);
      at->second.nodes_to_look_at = rooms_.desk.state().instances_of(id.cluster);
    }
  }
  return at->second;
}

void Services::service_changed(const ServiceId& id) {
  Entry& entry = entry_of(id);
  entry.full_zones.clear();
  entry.waits = false;
  entry.said_why = false;
  marked_.insert(id);
  const ServicePtr service = rooms_.desk.state().service(id);
  if (!service || !service->data.daemon()) return;
  entry.nodes_to_look_at = rooms_.desk.state().instances_of(id.cluster);
  for (const auto& [node, tasks] : entry.roster.by_node()) entry.nodes_to_look_at.insert(node);
}

void Services::look_at(Entry& entry, const ServiceId& id, const NodeId& node) {
  const auto daemons = daemons_.find(id.cluster);
  if (daemons != daemons_.end() && daemons->second.count(id) > 0) {
    entry.nodes_to_look_at.insert(node);
  }
}

int Services::protected_tasks(const ServiceId& id) const {
  const auto at = entries_.find(id);
  return at == entries_.end() ? 0 : at->second.roster.guarded();
}

void Services::task_changed(const Task& task) {
  if (task.last_status == TaskStatus::Stopped) {
    const ContainerInstancePtr instance = rooms_.desk.state().instance(task.node);
    if (instance && instance->status == InstanceStatus::Draining) {
      look_again_at_daemons(task.cluster, task.node);
    }
  }
  if (task.launch->service.empty()) return;
  const ServiceId id = service_of(task);
  if (!rooms_.desk.state().service(id)) return;
  if (rooms_.rollouts.pin(task)) marked_.insert(id);
  if (task.last_status != TaskStatus::Stopped) return place_member(task);
  Entry& entry = entry_of(id);
  const Member* member = entry.roster.find(task.id);
  if (member == nullptr) return;
  const Standing last =
      member->standing == Standing::Stopping ? member->before_stopping : member->standing;
  look_at(entry, id, task.node);
  if (entry.leavers) entry.leavers->moved(task.id, member, nullptr);
  entry.roster.drop(task.id);
  watch_until(task.id, std::nullopt);
  rooms_.rollouts.task_ended(task, end_of(task, last));
  marked_.insert(id);
}

Member Services::member_of(const Task& task, const StandingAt& at) const {
  Member member;
  member.deployment = task.launch->deployment;
  member.node = task.node;
  member.created_at = task.launch->created_at;
  member.reservation = rooms_.placer.reservation_of(task.id);
  member.standing = at.standing;
  member.guarded = task.protected_until && *task.protected_until > rooms_.desk.now();
  member.mover = task.launch->placed_by == kRebalancing;
  member.provider = task.launch->capacity_provider;
  const ContainerInstancePtr instance = rooms_.desk.state().instance(task.node);
  if (instance) member.zone = zone_of(instance->node);
  member.draining = instance && instance->status == InstanceStatus::Draining;
  return member;
}

// Where the task stands now, and what follows from its getting there.
void Services::place_member(const Task& task, Follow follow) {
  const ServiceId id = service_of(task);
  const ServicePtr service = rooms_.desk.state().service(id);
  StandingAt at = standing_of(task, rules_of(*service), rooms_.desk.now());
  Member member = member_of(task, at);
  if (member.guarded)
    at.until = std::min(at.until.value_or(*task.protected_until), *task.protected_until);
  watch_until(task.id, at.until);

  Entry& entry = entry_of(id);
  const Member* known = entry.roster.find(task.id);
  const std::optional<Member> before = known == nullptr ? std::nullopt : std::optional(*known);
  const Standing last = before ? before->standing : Standing::Pending;
  if (before && member.standing == Standing::Stopping) {
    member.before_stopping = last == Standing::Stopping ? before->before_stopping : last;
  }
  if (!entry.roster.put(task.id, member)) return;
  if (entry.leavers) entry.leavers->moved(task.id, before ? &*before : nullptr, &member);
  look_at(entry, id, task.node);
  marked_.insert(id);
  if (follow == Follow::No) return;
  if (last == Standing::Pending && member.standing != Standing::Pending &&
      member.standing != Standing::Stopping) {
    rooms_.rollouts.task_ran(task);
  }
  if (member.standing == Standing::Healthy && last != Standing::Healthy) {
    rooms_.rollouts.task_healthy(task);
  }
}

void Services::watch_until(const TaskId& id, std::optional<Instant> until) {
  const auto known = until_.find(id);
  if (known != until_.end()) {
    if (until == known->second) return;
    in_time_.erase({known->second, id});
    until_.erase(known);
  }
  if (until) {
    until_[id] = *until;
    in_time_.emplace(*until, id);
  }
  ring_at_first();
}

void Services::ring_at_first() {
  if (in_time_.empty()) return;
  const Instant first = in_time_.begin()->first;
  if (alarm_.number != 0 && alarm_.at <= first) return;
  rooms_.desk.alarms().cancel(alarm_);
  alarm_ = rooms_.desk.alarms().set(first, [this] { stand_again(); });
}

void Services::stand_again() {
  alarm_ = {};
  while (!in_time_.empty() && in_time_.begin()->first <= rooms_.desk.now()) {
    const TaskId id = in_time_.begin()->second;
    in_time_.erase(in_time_.begin());
    until_.erase(id);
    const TaskPtr task = rooms_.desk.state().task(id);
    if (task && task->last_status != TaskStatus::Stopped) place_member(*task);
  }
  ring_at_first();
}

void Services::wake_at(const ServiceId& id, Entry& entry, Instant at) {
  if (entry.wake.number != 0 && entry.wake.at == at) return;
  rooms_.desk.alarms().cancel(entry.wake);
  entry.wake = rooms_.desk.alarms().set(at, [this, id] {
    const auto known = entries_.find(id);
    if (known == entries_.end()) return;
    known->second.wake = {};
    known->second.waits = false;
    known->second.full_zones.clear();
    marked_.insert(id);
  });
}

void Services::node_changed(const ClusterName& cluster, const NodeId& node) {
  look_at_zone(cluster, node);
  const ContainerInstancePtr instance = rooms_.desk.state().instance(node);
  if (!instance || instance->status != InstanceStatus::Active || instance->node.connected()) {
    if (const auto unseen = unseen_.find(cluster); unseen != unseen_.end())
      unseen->second.erase(node);
  }
  const std::set<TaskId> tasks = rooms_.desk.state().tasks_on(node);
  for (const TaskId& id : tasks) {
    const TaskPtr task = rooms_.desk.state().task(id);
    if (!task->launch->service.empty() && task->last_status != TaskStatus::Stopped &&
        rooms_.desk.state().service(service_of(*task))) {
      place_member(*task);
    }
  }
  look_again_at_daemons(cluster, node);
}

void Services::look_again_at_daemons(const ClusterName& cluster, const NodeId& node) {
  const auto daemons = daemons_.find(cluster);
  if (daemons == daemons_.end()) return;
  for (const ServiceId& id : daemons->second) {
    entry_of(id).nodes_to_look_at.insert(node);
    marked_.insert(id);
  }
}

void Services::room_made(const ClusterName& cluster) {
  const auto at = waiting_.find(cluster);
  if (at == waiting_.end()) return;
  const std::set<ServiceId> services = std::move(at->second);
  waiting_.erase(at);
  for (const ServiceId& id : services) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) continue;
    entry->second.waits = false;
    entry->second.full_zones.clear();
    marked_.insert(id);
  }
}

void Services::plugin_up() {
  for (auto& [id, entry] : entries_) {
    entry.routes = nullptr;
    entry.planning = {};
    entry.waits = false;
    marked_.insert(id);
  }
}

void Services::bring_on() {
  if (resting_) return;
  while (!marked_.empty()) {
    const ServiceId id = *marked_.begin();
    marked_.erase(marked_.begin());
    const ServicePtr service = rooms_.desk.state().service(id);
    if (!service || service->inactive()) {
      if (const auto at = entries_.find(id); at != entries_.end()) {
        rooms_.desk.alarms().cancel(at->second.wake);
        entries_.erase(at);
      }
      daemons_[id.cluster].erase(id);
      continue;
    }
    bring_on(id, entry_of(id));
  }
}

}  // namespace berth::control
