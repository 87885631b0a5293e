// SPDX-License-Identifier: Apache-2.0
// What the edge may ask of the control core, and what it gets back.
//
// A command's message has been checked against the API model (types, required members,
// enumerations, lengths, patterns); what depends on records is checked here. Refusals are Errors
// whose Subject names the thing: core/api/ecs maps them to ECS's exceptions.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::control {

struct CreateCluster {
  model::CreateClusterRequest request;
};
struct DeleteCluster {
  model::DeleteClusterRequest request;
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
struct RunTask {
  model::RunTaskRequest request;
};
struct StopTask {
  model::StopTaskRequest request;
};
// Answered when `task` has changed since `cursor`, or at `deadline` with the task as it is. Cursor
// 0: at once.
struct WatchTask {
  std::string cluster;
  std::string task;
  std::uint64_t cursor = 0;
  Instant deadline;
};

using Command = std::variant<CreateCluster, DeleteCluster, RegisterTaskDefinition,
                             DeregisterTaskDefinition, RunTask, StopTask, WatchTask>;

// Why something was not placed: ECS's failures[].
struct Failure {
  std::string arn;
  std::string reason;
  std::string detail;
};

struct RunTaskAnswer {
  std::vector<TaskPtr> tasks;
  std::vector<Failure> failures;
  std::vector<ContainerInstancePtr> instances{};  // beside tasks; null where the node is none
};
struct WatchTaskAnswer {
  TaskPtr task;
  std::uint64_t cursor = 0;             // grows with each change of what this answer shows
  std::vector<v1::PullProgress> pulls;  // newest; not stored
  ContainerInstancePtr instance{};      // that the task runs on; null where its node is none
};

// The alternative follows from the command: ClusterPtr for the cluster commands, TaskDefinitionPtr,
// RunTaskAnswer, TaskPtr for StopTask, WatchTaskAnswer.
using Answer = std::variant<ClusterPtr, TaskDefinitionPtr, RunTaskAnswer, TaskPtr, WatchTaskAnswer>;

// Called once on the loop thread, when all that the answer shows is durable. Must not block.
using Reply = std::function<void(Result<Answer>)>;

}  // namespace berth::control
