// SPDX-License-Identifier: Apache-2.0
// What the edge may ask of the control core, and what it gets back.
//
// A command's message has been checked against the API model (types, required members,
// enumerations, lengths, patterns); what depends on records is checked here. Refusals are Errors
// whose Subject names the thing: core/api/ecs maps them to ECS's exceptions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "berth/model/berth_operations.pb.h"
#include "berth/model/ecs_operations.pb.h"
#include "berth/model/ecs_services.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::control {

struct CreateCluster {
  model::CreateClusterRequest request;
};
struct DeleteCluster {
  model::DeleteClusterRequest request;
};
struct PutClusterProviders {
  model::PutClusterCapacityProvidersRequest request;
};
// Which capacity providers there are, or which of them this cluster has; in the order of names.
struct ListProviders {
  std::optional<ClusterName> cluster;
};
// The hosts that are no container instances; of all clusters where none is named.
struct ListPools {
  std::optional<ClusterName> cluster;
};
struct RegisterTaskDefinition {
  model::RegisterTaskDefinitionRequest request;     // defaults filled in
  std::vector<ecs::Attribute> requires_attributes;  // derived from the request, for the record
  std::vector<std::string> compatibilities;         // likewise
  std::string unknown_members_json;                 // see TaskDefinition
  std::string registered_by;                        // principal's ARN
};
struct DeregisterTaskDefinition {
  model::DeregisterTaskDefinitionRequest request;
};
// Of container instances of one cluster, each named by its id in targetId; all or none.
struct PutAttributes {
  ClusterName cluster;
  std::vector<ecs::Attribute> attributes;
};
struct DeleteAttributes {
  ClusterName cluster;
  std::vector<ecs::Attribute> attributes;  // values do not matter
};
// Takes a host out of its fleet, now and for ever; with `force` also one with tasks, which end.
struct RemoveAgent {
  std::string agent;  // a container instance's id
  bool force = false;
};
// The same for a container instance of a cluster, as ECS asks for it.
struct DeregisterInstance {
  ClusterName cluster;
  std::string instance;  // id
  bool force = false;
};
struct RunTask {
  model::RunTaskRequest request;
};
struct StartTask {
  model::StartTaskRequest request;  // containerInstances are ids
};
struct StopTask {
  model::StopTaskRequest request;
};
// Where tasks would go; nothing is reserved, recorded or drawn.
struct PlanTask {
  model::PlanTaskRequest request;
};
// Why a task is where it is; or, with `group`, what became of that group's last call that left
// tasks without a place. One of the two is given.
struct ExplainTask {
  std::string cluster;
  std::string task;
  std::string group;
};
// Answered when `task` has changed since `cursor`, or at `deadline` with the task as it is. Cursor
// 0: at once.
struct WatchTask {
  std::string cluster;
  std::string task;
  std::uint64_t cursor = 0;
  Instant deadline;
};

// Of services: `cluster` is a name.
struct CreateService {
  model::CreateServiceRequest request;
  std::string created_by;  // principal's ARN
};
struct UpdateService {
  model::UpdateServiceRequest request;  // `service` is a name
  std::set<std::string> present{};      // JSON names of the lists that were given, also empty ones
};
struct DeleteService {
  model::DeleteServiceRequest request;  // likewise
};
struct StopServiceDeployment {
  ServiceId service;
  std::string id;  // of the service deployment
  bool rollback = false;
};
// What has tags.
struct TaskName {
  ClusterName cluster;
  TaskId id;
};
struct InstanceName {
  ClusterName cluster;
  NodeId id;
};
using Resource = std::variant<ClusterName, DefinitionId, TaskName, InstanceName, ServiceId>;
struct TagResource {
  Resource resource;
  std::vector<ecs::Tag> tags;          // replace those of their keys
  std::vector<std::string> without{};  // keys that go
};
struct UpdateTaskProtection {
  ClusterName cluster;
  std::vector<std::string> tasks;          // ids
  std::optional<milliseconds> expires_in;  // nothing: no more protection
};
// Nothing is started or stopped for services any more, for as long as the core lives. What was
// started for them before is recorded when this is answered.
struct RestServices {};
struct UpdateInstancesState {
  ClusterName cluster;
  std::vector<std::string> instances;  // ids
  bool draining = false;
};

using Command =
    std::variant<CreateCluster, DeleteCluster, RegisterTaskDefinition, DeregisterTaskDefinition,
                 RunTask, StartTask, StopTask, WatchTask, PlanTask, ExplainTask, PutAttributes,
                 DeleteAttributes, RemoveAgent, CreateService, UpdateService, DeleteService,
                 StopServiceDeployment, TagResource, UpdateTaskProtection, UpdateInstancesState,
                 DeregisterInstance, PutClusterProviders, ListProviders, ListPools, RestServices>;

// Why something was not placed: ECS's failures[].
struct Failure {
  std::string arn;
  std::string reason;
  std::string detail;
};

// Instances that refuse a task for one reason.
struct RefusalCount {
  std::string reason;  // ECS's word
  int instances = 0;
  // The one of them that lacks least.
  std::string closest_arn{};  // empty: a place in a pool, which has none
  std::string detail{};       // a sentence
  std::int64_t needed = 0;    // both 0 where no amount decides
  std::int64_t available = 0;
};

// Of RunTask and of StartTask.
struct RunTaskAnswer {
  std::vector<TaskPtr> tasks;
  std::vector<Failure> failures;
  std::vector<ContainerInstancePtr> instances{};  // beside tasks; null where the node is none
};
// What was put or deleted, with the instances' ids.
struct AttributesAnswer {
  std::vector<ecs::Attribute> attributes;
};
struct RemoveAgentAnswer {
  NodeId id;
};
struct ServicesRest {};
struct PoolsAnswer {
  std::vector<model::Pool> pools;  // by plugin, cluster, name and zone
};
struct ProvidersAnswer {
  std::vector<std::string> names;
};
struct WatchTaskAnswer {
  TaskPtr task;
  std::uint64_t cursor = 0;             // grows with each change of what this answer shows
  std::vector<v1::PullProgress> pulls;  // newest; not stored
  ContainerInstancePtr instance{};      // that the task runs on; null where its node is none
};

// A node as people know it, and how many tasks of a plan go there.
struct TaskPlace {
  std::string instance_arn{};  // empty for a pool's
  std::string ec2_instance_id{};
  std::string zone{};
  std::string launch_type{};
  std::string capacity_provider{};
  PluginName plugin{};
  int tasks = 0;
  std::string hostname{};
};
struct PlanTaskAnswer {
  int count = 0;
  int placed = 0;
  std::string group;
  std::vector<model::PlacementConstraint> constraints;  // the definition's and the call's
  std::vector<model::PlacementStrategy> strategies;     // the default where none was asked for
  std::vector<TaskPlace> places;                        // in the order of their first task
  std::vector<RefusalCount> refusals;                   // of the first task that found no place
};

// How one strategy sees a place among those that fit and that the strategies before keep.
struct StrategyTerm {
  model::PlacementStrategy strategy;
  std::string attribute_value;  // of spread over an attribute
  bool measured = false;        // false for random: it compares nothing
  std::int64_t value = 0;       // least is best
  std::int64_t best = 0;
};
// A call that left tasks without a place.
struct UnplacedTasks {
  std::string operation;  // "RunTask", "StartTask"
  ClusterName cluster;
  std::string group;
  DefinitionId definition;
  Instant at{};
  int count = 0;
  int placed = 0;
  std::string message;            // where the call was refused as a whole
  std::vector<Failure> failures;  // of one task
  std::vector<RefusalCount> refusals;
  // What the call asked for beside its definition.
  std::string launch_type{};
  std::vector<model::CapacityProviderStrategyItem> providers{};
  std::vector<model::PlacementConstraint> constraints{};
  std::vector<model::PlacementStrategy> strategies{};
};
struct ExplainTaskAnswer {
  TaskPtr task;                   // null where a group was asked for
  ContainerInstancePtr instance;  // null where the node is none, or is gone
  TaskPlace place;
  bool node_known = false;  // else the node is gone, and there are no terms
  std::vector<model::PlacementConstraint> constraints;
  std::vector<model::PlacementStrategy> strategies;
  std::vector<StrategyTerm> terms;
  std::optional<Failure> place_refuses;  // why its node would not take it again now
  int others_that_fit = 0;
  std::vector<RefusalCount> refusals;  // of the other nodes, now
  std::shared_ptr<const UnplacedTasks> unplaced;
};

struct ProtectionAnswer {
  std::vector<TaskPtr> tasks;
  std::vector<Failure> failures;
};
struct InstancesAnswer {
  std::vector<ContainerInstancePtr> instances;
  std::vector<Failure> failures;
};

struct TagsAnswer {
  std::vector<ecs::Tag> tags;  // all that the resource has now
};

// The alternative follows from the command: ClusterPtr for the cluster commands, TaskDefinitionPtr,
// RunTaskAnswer for RunTask and StartTask, TaskPtr for StopTask, WatchTaskAnswer, PlanTaskAnswer,
// ExplainTaskAnswer; AttributesAnswer for PutAttributes and DeleteAttributes; RemoveAgentAnswer;
// ServicePtr for the service commands and their deployments', TagsAnswer, ProtectionAnswer,
// InstancesAnswer for UpdateInstancesState and DeregisterInstance; ServicesRest.
using Answer = std::variant<ClusterPtr, TaskDefinitionPtr, RunTaskAnswer, TaskPtr, WatchTaskAnswer,
                            PlanTaskAnswer, ExplainTaskAnswer, AttributesAnswer, RemoveAgentAnswer,
                            ServicePtr, TagsAnswer, ProtectionAnswer, InstancesAnswer,
                            ProvidersAnswer, PoolsAnswer, ServicesRest>;

// Called once on the loop thread, when all that the answer shows is durable. Must not block.
using Reply = std::function<void(Result<Answer>)>;

}  // namespace berth::control
