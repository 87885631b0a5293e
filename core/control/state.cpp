// SPDX-License-Identifier: Apache-2.0
#include "core/control/state.hpp"

#include <utility>

namespace berth::control {
namespace {

template <typename Map>
typename Map::mapped_type found(const Map& map, const typename Map::key_type& key) {
  const auto at = map.find(key);
  return at == map.end() ? typename Map::mapped_type{} : at->second;
}

template <typename Key, typename Id>
const std::set<Id>& set_of(const std::map<Key, std::set<Id>>& map, const Key& key) {
  static const std::set<Id> kNone;
  const auto at = map.find(key);
  return at == map.end() ? kNone : at->second;
}

template <typename Key, typename Id>
void drop(std::map<Key, std::set<Id>>& map, const Key& key, const Id& id) {
  const auto at = map.find(key);
  if (at == map.end()) return;
  at->second.erase(id);
  if (at->second.empty()) map.erase(at);
}

void add(TaskCounts& counts, const Task& task, int sign) {
  if (task.last_status == TaskStatus::Running) counts.running += sign;
  if (task.last_status < TaskStatus::Running) counts.pending += sign;
  if (task.desired_status == DesiredStatus::Running) counts.desired_running += sign;
}

ServiceId service_of(const Task& task) {
  return {task.cluster, task.launch->service};
}

bool is_zero(const TaskCounts& counts) {
  return counts.running == 0 && counts.pending == 0 && counts.desired_running == 0;
}

}  // namespace

ClusterPtr State::cluster(const ClusterName& name) const {
  return found(clusters_, name);
}

TaskDefinitionPtr State::definition(const DefinitionId& id) const {
  const auto family = families_.find(id.family);
  if (family == families_.end()) return nullptr;
  if (id.revision != 0) return found(family->second.revisions, id.revision);
  if (family->second.active.empty()) return nullptr;
  return found(family->second.revisions, *family->second.active.rbegin());
}

TaskPtr State::task(const TaskId& id) const {
  return found(tasks_, id);
}
ContainerInstancePtr State::instance(const NodeId& id) const {
  return found(instances_, id);
}

const std::set<TaskId>& State::tasks_of(const ClusterName& cluster) const {
  return set_of(tasks_of_, cluster);
}
const std::set<TaskId>& State::tasks_by(const PluginName& plugin) const {
  return set_of(tasks_by_, plugin);
}
const std::set<TaskId>& State::tasks_on(const NodeId& node) const {
  return set_of(tasks_on_, node);
}
const std::set<NodeId>& State::instances_of(const ClusterName& cluster) const {
  return set_of(instances_of_, cluster);
}
TaskCounts State::counts_of(const ClusterName& cluster) const {
  return found(counts_of_, cluster);
}
TaskCounts State::counts_on(const NodeId& node) const {
  return found(counts_on_, node);
}
ServicePtr State::service(const ServiceId& id) const {
  return found(services_, id);
}
const State::Deployments& State::deployments_of(const ServiceId& service) const {
  static const Deployments kNone;
  const auto at = deployments_.find(service);
  return at == deployments_.end() ? kNone : at->second;
}
ServiceDeploymentPtr State::deployment(const ServiceId& service,
                                       const DeploymentNumber& number) const {
  return found(deployments_of(service), number);
}
const std::set<TaskId>& State::tasks_of(const ServiceId& service) const {
  return set_of(tasks_of_service_, service);
}
TaskCounts State::counts_of(const DeploymentNumber& deployment) const {
  return found(counts_of_deployment_, deployment);
}
int State::unfinished_in(const ClusterName& cluster) const {
  return found(unfinished_in_, cluster);
}

v1::Requirement State::reserved_on(const NodeId& node) const {
  v1::Requirement sum;
  std::map<std::string, std::int64_t> amounts;
  for (const TaskId& id : tasks_on(node)) {
    const TaskPtr& task = tasks_.at(id);
    if (task->last_status == TaskStatus::Stopped) continue;
    const v1::Requirement& one = task->launch->requirement;
    sum.set_cpu(sum.cpu() + one.cpu());
    sum.set_memory_mib(sum.memory_mib() + one.memory_mib());
    sum.set_eni_slots(sum.eni_slots() + one.eni_slots());
    sum.mutable_ports()->MergeFrom(one.ports());
    sum.mutable_devices()->MergeFrom(one.devices());
    for (const v1::Amount& amount : one.amounts()) amounts[amount.name()] += amount.value();
  }
  for (const auto& [name, value] : amounts) {
    v1::Amount* amount = sum.add_amounts();
    amount->set_name(name);
    amount->set_value(value);
  }
  return sum;
}

void State::put(ClusterPtr cluster) {
  clusters_[cluster->name] = std::move(cluster);
}

void State::put(TaskDefinitionPtr definition) {
  Family& family = families_[definition->id.family];
  if (definition->active()) {
    family.active.insert(definition->id.revision);
  } else {
    family.active.erase(definition->id.revision);
  }
  family.revisions[definition->id.revision] = std::move(definition);
}

void State::put(TaskPtr task) {
  TaskPtr& slot = tasks_[task->id];
  if (slot) {
    count(*slot, -1);
  } else {
    tasks_of_[task->cluster].insert(task->id);
    tasks_by_[task->plugin].insert(task->id);
    tasks_on_[task->node].insert(task->id);
    if (!task->launch->service.empty()) tasks_of_service_[service_of(*task)].insert(task->id);
  }
  slot = std::move(task);
  count(*slot, +1);
}

void State::put(ContainerInstancePtr instance) {
  ContainerInstancePtr& slot = instances_[instance->id];
  if (slot && slot->cluster != instance->cluster) drop(instances_of_, slot->cluster, slot->id);
  instances_of_[instance->cluster].insert(instance->id);
  slot = std::move(instance);
}

void State::put(WaitingNode node) {
  const NodeId id(node.node.id());
  waiting_[id] = std::move(node);
}

void State::erase_waiting(const NodeId& id) {
  waiting_.erase(id);
}

void State::put(ClientTokenPtr token) {
  tokens_[token->key] = std::move(token);
}

void State::put(ServicePtr service) {
  services_[service->id] = std::move(service);
}

void State::put(ServiceDeploymentPtr deployment) {
  deployments_[deployment->service][deployment->number] = std::move(deployment);
}

void State::set_last_revision(const FamilyName& family, std::int32_t revision) {
  families_[family].last_revision = revision;
}

void State::erase_task(const TaskId& id) {
  const auto at = tasks_.find(id);
  if (at == tasks_.end()) return;
  const TaskPtr task = at->second;
  count(*task, -1);
  drop(tasks_of_, task->cluster, id);
  drop(tasks_by_, task->plugin, id);
  drop(tasks_on_, task->node, id);
  drop(tasks_of_service_, service_of(*task), id);
  tasks_.erase(at);
}

void State::erase_instance(const NodeId& id) {
  const auto at = instances_.find(id);
  if (at == instances_.end()) return;
  drop(instances_of_, at->second->cluster, id);
  instances_.erase(at);
}

void State::erase_token(const std::string& key) {
  tokens_.erase(key);
}

void State::erase_service(const ServiceId& id) {
  services_.erase(id);
  deployments_.erase(id);
}

void State::erase_deployment(const ServiceId& service, const DeploymentNumber& number) {
  const auto at = deployments_.find(service);
  if (at == deployments_.end()) return;
  at->second.erase(number);
  if (at->second.empty()) deployments_.erase(at);
}

void State::count(const Task& task, int sign) {
  TaskCounts& of_cluster = counts_of_[task.cluster];
  add(of_cluster, task, sign);
  if (is_zero(of_cluster)) counts_of_.erase(task.cluster);
  TaskCounts& on_node = counts_on_[task.node];
  add(on_node, task, sign);
  if (is_zero(on_node)) counts_on_.erase(task.node);
  if (!task.launch->deployment.empty()) {
    TaskCounts& of_deployment = counts_of_deployment_[task.launch->deployment];
    add(of_deployment, task, sign);
    if (is_zero(of_deployment)) counts_of_deployment_.erase(task.launch->deployment);
  }
  if (task.last_status != TaskStatus::Stopped) {
    int& unfinished = unfinished_in_[task.cluster];
    unfinished += sign;
    if (unfinished == 0) unfinished_in_.erase(task.cluster);
  }
}

}  // namespace berth::control
