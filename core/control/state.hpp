// SPDX-License-Identifier: Apache-2.0
// All records of the control plane, with the orders and counts in which they are asked for.
//
// Invariants: 1. Iteration is ordered by key everywhere. 2. Counts and orders follow each put and
// erase at a cost of the change, not of the size. Threads: loop; the records themselves may leave
// it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/model/records.hpp"

namespace berth::control {

// What ECS shows of one cluster or container instance in numbers.
struct TaskCounts {
  int running = 0;  // lastStatus RUNNING
  int pending = 0;  // before RUNNING
  int desired_running = 0;
};

struct Family {
  std::int32_t last_revision = 0;
  std::map<std::int32_t, TaskDefinitionPtr> revisions;
  std::set<std::int32_t> active;  // those of them that are ACTIVE
};

// A node of a cluster that does not exist: no container instance yet. Not stored.
struct WaitingNode {
  PluginName plugin;
  v1::Node node;
};

class State {
 public:
  // Null where there is none; INACTIVE records are given too.
  [[nodiscard]] ClusterPtr cluster(const ClusterName& name) const;
  [[nodiscard]] TaskDefinitionPtr definition(
      const DefinitionId& id) const;  // revision 0: latest ACTIVE
  [[nodiscard]] TaskPtr task(const TaskId& id) const;
  [[nodiscard]] ContainerInstancePtr instance(const NodeId& id) const;

  [[nodiscard]] const std::map<ClusterName, ClusterPtr>& clusters() const { return clusters_; }
  [[nodiscard]] const std::map<FamilyName, Family>& families() const { return families_; }
  [[nodiscard]] const std::map<TaskId, TaskPtr>& tasks() const { return tasks_; }
  [[nodiscard]] const std::map<NodeId, ContainerInstancePtr>& instances() const {
    return instances_;
  }
  // Being removed: nothing new comes there, and what is there stays. Of this process alone.
  [[nodiscard]] bool is_held(const NodeId& id) const { return held_.count(id) > 0; }
  [[nodiscard]] const std::map<NodeId, WaitingNode>& waiting_nodes() const { return waiting_; }
  [[nodiscard]] const std::map<std::string, ClientTokenPtr>& tokens() const { return tokens_; }
  // Ids in order; an empty set for what is unknown.
  [[nodiscard]] const std::set<TaskId>& tasks_of(const ClusterName& cluster) const;
  [[nodiscard]] const std::set<TaskId>& tasks_by(const PluginName& plugin) const;
  [[nodiscard]] const std::set<TaskId>& tasks_on(const NodeId& node) const;
  [[nodiscard]] const std::set<NodeId>& instances_of(const ClusterName& cluster) const;
  [[nodiscard]] TaskCounts counts_of(const ClusterName& cluster) const;
  [[nodiscard]] TaskCounts counts_on(const NodeId& node) const;
  // Tasks of a cluster that are not STOPPED.
  [[nodiscard]] int unfinished_in(const ClusterName& cluster) const;
  // What the tasks on a node hold of it until they are STOPPED: cpu, memory, fixed ports, devices.
  // At a cost of their number.
  [[nodiscard]] v1::Requirement reserved_on(const NodeId& node) const;

  // Services by cluster and name, INACTIVE ones too; a service's deployments by number, history
  // too.
  [[nodiscard]] ServicePtr service(const ServiceId& id) const;
  [[nodiscard]] const std::map<ServiceId, ServicePtr>& services() const { return services_; }
  using Deployments = std::map<DeploymentNumber, ServiceDeploymentPtr>;
  [[nodiscard]] const Deployments& deployments_of(const ServiceId& service) const;
  [[nodiscard]] ServiceDeploymentPtr deployment(const ServiceId& service,
                                                const DeploymentNumber& number) const;
  [[nodiscard]] const std::set<TaskId>& tasks_of(const ServiceId& service) const;
  [[nodiscard]] TaskCounts counts_of(const DeploymentNumber& deployment) const;

  void put(ClusterPtr cluster);
  void put(TaskDefinitionPtr definition);
  void put(TaskPtr task);
  void put(ContainerInstancePtr instance);
  void put(ClientTokenPtr token);
  void put(WaitingNode node);
  void erase_waiting(const NodeId& id);
  void hold(const NodeId& id) { held_.insert(id); }
  void release(const NodeId& id) { held_.erase(id); }
  void put(ServicePtr service);
  void put(ServiceDeploymentPtr deployment);
  void set_last_revision(const FamilyName& family, std::int32_t revision);
  void erase_task(const TaskId& id);
  void erase_instance(const NodeId& id);
  void erase_token(const std::string& key);
  void erase_service(const ServiceId& id);  // and its deployments
  void erase_deployment(const ServiceId& service, const DeploymentNumber& number);

 private:
  void count(const Task& task, int sign);

  std::map<ClusterName, ClusterPtr> clusters_;
  std::map<FamilyName, Family> families_;
  std::map<TaskId, TaskPtr> tasks_;
  std::map<NodeId, ContainerInstancePtr> instances_;
  std::map<NodeId, WaitingNode> waiting_;
  std::set<NodeId> held_;
  std::map<std::string, ClientTokenPtr> tokens_;
  std::map<ClusterName, std::set<TaskId>> tasks_of_;
  std::map<PluginName, std::set<TaskId>> tasks_by_;
  std::map<NodeId, std::set<TaskId>> tasks_on_;
  std::map<ClusterName, std::set<NodeId>> instances_of_;
  std::map<ClusterName, TaskCounts> counts_of_;
  std::map<NodeId, TaskCounts> counts_on_;
  std::map<ClusterName, int> unfinished_in_;
  std::map<ServiceId, ServicePtr> services_;
  std::map<ServiceId, Deployments> deployments_;
  std::map<ServiceId, std::set<TaskId>> tasks_of_service_;
  std::map<DeploymentNumber, TaskCounts> counts_of_deployment_;
};

}  // namespace berth::control
