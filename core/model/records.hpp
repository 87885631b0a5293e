// SPDX-License-Identifier: Apache-2.0
// The records of the control plane, as they are in memory: immutable, behind shared pointers, with
// ids instead of ARNs.
//
// Invariants: 1. A record never changes once it is shared; a change makes a new one. 2. What all
// versions of a task have in common (its Launch, its definition) is one object. 3. ARNs are
// composed at the edge (Realm). Threads: a record may be read from any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "berth/model/ecs_records.pb.h"
#include "berth/model/stored.pb.h"
#include "berth/v1/ecs/task.pb.h"
#include "berth/v1/ecs/task_definition.pb.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/resources.pb.h"
#include "core/model/ids.hpp"
#include "core/model/instant.hpp"
#include "core/model/task_status.hpp"

namespace berth {

namespace ecs = berth::v1::ecs;

struct Cluster {
  ClusterName name;
  bool active = true;  // else INACTIVE: describable, and reborn by CreateCluster
  std::vector<model::ClusterSetting> settings;
  std::optional<model::ClusterConfiguration> configuration;
  std::optional<model::ClusterServiceConnectDefaults> service_connect_defaults;
  std::vector<ecs::Tag> tags;
  std::vector<std::string> capacity_providers;
  std::vector<model::CapacityProviderStrategyItem> default_capacity_provider_strategy;
};
using ClusterPtr = std::shared_ptr<const Cluster>;

struct TaskDefinition {
  DefinitionId id;
  ecs::TaskDefinition message;  // without taskDefinitionArn; defaults filled in as ECS does
  std::vector<ecs::Tag> tags;
  std::string unknown_members_json;  // an object of the input's shape, or empty
  [[nodiscard]] bool active() const { return message.status() == "ACTIVE"; }
};
using TaskDefinitionPtr = std::shared_ptr<const TaskDefinition>;

// What was asked for when the task was made. Of it only the tags change (with a copy of the whole).
struct Launch {
  std::string launch_type;        // "EC2", "FARGATE", "EXTERNAL"
  std::string capacity_provider;  // or empty
  std::string availability_zone;  // of the place; empty where it has none
  std::string platform_version;
  std::string platform_family;
  std::string group;
  std::string started_by;
  ecs::TaskOverride overrides;
  std::optional<ecs::NetworkConfiguration> network_configuration;
  std::optional<v1::TaskInterface> task_interface;  // with the network mode awsvpc
  std::vector<ecs::Tag> tags;
  bool enable_execute_command = false;
  v1::Requirement requirement;
  v1::Allocation allocation;
  std::vector<std::string> container_ids;  // UUIDs, in the order of the definition's containers
  std::string client_token_key;
  Instant created_at;
  // How its place was found; empty where an older program made the record.
  std::string placed_by;                                          // "RunTask", "StartTask"
  std::vector<model::PlacementConstraint> placement_constraints;  // the call's own
  std::vector<model::PlacementStrategy> placement_strategy;       // empty: the default
  // Of a service's task; else empty.
  ServiceName service;
  DeploymentNumber deployment;
  std::map<std::string, std::string> pinned_digests;  // by container
};

struct Task {
  TaskId id;
  ClusterName cluster;
  TaskDefinitionPtr definition;
  PluginName plugin;  // who runs it
  NodeId node;        // where
  std::shared_ptr<const Launch> launch;
  TaskStatus last_status = TaskStatus::Pending;
  DesiredStatus desired_status = DesiredStatus::Running;
  std::int64_t version = 1;
  std::shared_ptr<const v1::TaskReport>
      report;  // newest report, may be null; its containers by name
  std::optional<StopCode> stop_code;
  std::string stopped_reason;
  std::optional<Instant> started_at;
  std::optional<Instant> stopping_at;
  std::optional<Instant> stopped_at;
  std::optional<Instant> end_recorded_at;  // by our clock; stopped_at is by the host's
  std::optional<Instant> connectivity_at;
  bool start_acknowledged = false;         // the plugin has taken it over
  bool forgotten = false;                  // the plugin was told that the end is recorded
  std::optional<Instant> protected_until;  // from scale-in and deployments; may be in the past
};
using TaskPtr = std::shared_ptr<const Task>;

enum class InstanceStatus { Active, Draining, Inactive };
[[nodiscard]] std::string_view to_string(InstanceStatus status);  // "ACTIVE", ...

// A node that is shown as a container instance. Whether its agent is connected is node.connected,
// which is false after a restart until its plugin says otherwise.
struct ContainerInstance {
  NodeId id;
  ClusterName cluster;
  PluginName plugin;
  InstanceStatus status = InstanceStatus::Active;
  std::string status_reason;
  std::int64_t version = 1;
  v1::Node node;
  std::vector<ecs::Attribute> custom_attributes;
  std::vector<ecs::Tag> tags;
  Instant registered_at;
  std::optional<Instant> inactive_since;
};
using ContainerInstancePtr = std::shared_ptr<const ContainerInstance>;

// A service. Its parts are those of the stored message (stored.proto says what each is).
struct Service {
  ServiceId id;
  model::StoredService data;
  [[nodiscard]] bool active() const { return data.status() == "ACTIVE"; }
  [[nodiscard]] bool inactive() const { return data.status() == "INACTIVE"; }
};
using ServicePtr = std::shared_ptr<const Service>;

// A deployment of a service: one revision of it, and how far it got.
struct ServiceDeployment {
  ServiceId service;
  DeploymentNumber number;
  model::StoredServiceDeployment data;
  [[nodiscard]] bool primary() const {
    return data.role() == model::StoredServiceDeployment::ROLE_PRIMARY;
  }
  // Shown among the service's deployments: it is PRIMARY, or still has tasks.
  [[nodiscard]] bool current() const {
    return primary() || data.role() == model::StoredServiceDeployment::ROLE_ACTIVE;
  }
  [[nodiscard]] bool in_progress() const {
    return data.rollout() == model::StoredServiceDeployment::ROLLOUT_IN_PROGRESS;
  }
  [[nodiscard]] bool failed() const {
    return data.rollout() == model::StoredServiceDeployment::ROLLOUT_FAILED;
  }
};
using ServiceDeploymentPtr = std::shared_ptr<const ServiceDeployment>;

// What a clientToken stood for. Key: "RunTask/cluster/token".
struct ClientToken {
  std::string key;
  std::string request_digest;  // of the request without its token
  std::vector<TaskId> tasks;
  std::vector<model::Failure> failures;
  Instant made_at;
};
using ClientTokenPtr = std::shared_ptr<const ClientToken>;

}  // namespace berth
