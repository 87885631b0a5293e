// SPDX-License-Identifier: Apache-2.0
// Records as ECS shows them: ARNs composed, defaults and empty lists in place.
//
// Threads: any.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "core/control/commands.hpp"
#include "core/control/state.hpp"
#include "core/model/arn.hpp"
#include "core/model/records.hpp"

namespace berth::api {

enum class Tags { Hide, Show };

// A task, and the container instance that it runs on where its node is one.
struct TaskView {
  TaskPtr task;
  ContainerInstancePtr instance;
};
[[nodiscard]] TaskView task_view(const control::State& state, TaskPtr task);
[[nodiscard]] ecs::Task show_task(const TaskView& view, const Realm& realm, Tags tags);

struct ClusterView {
  ClusterPtr cluster;
  control::TaskCounts counts;
  int instances = 0;                               // ACTIVE and DRAINING
  std::map<std::string, int> active_services{};    // by launch type
  std::map<std::string, int> draining_services{};  // likewise
};
[[nodiscard]] ClusterView cluster_view(const control::State& state, ClusterPtr cluster);
struct ClusterParts {
  bool configuration = false;
  bool settings = false;
  bool tags = false;
};
// Statistics are the caller's to add: counting them takes more than one look at the state.
[[nodiscard]] model::Cluster show_cluster(const ClusterView& view, const Realm& realm,
                                          ClusterParts parts);

struct InstanceView {
  ContainerInstancePtr instance;
  control::TaskCounts counts;
  v1::Requirement reserved;
  std::vector<std::string> devices_in_use;
};
[[nodiscard]] InstanceView instance_view(const control::State& state,
                                         ContainerInstancePtr instance);
// What its agent reports and what was put; of one name, the latter.
[[nodiscard]] std::vector<ecs::Attribute> attributes_of(const ContainerInstance& instance);
struct InstanceParts {
  bool tags = false;
  bool health = false;
};
[[nodiscard]] model::ContainerInstance show_instance(const InstanceView& view, const Realm& realm,
                                                     InstanceParts parts);

[[nodiscard]] ecs::TaskDefinition show_definition(const TaskDefinition& definition,
                                                  const Realm& realm);

[[nodiscard]] model::Failure show_failure(const control::Failure& failure);
[[nodiscard]] model::Failure missing(std::string arn);

}  // namespace berth::api
