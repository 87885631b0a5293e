// SPDX-License-Identifier: Apache-2.0
// Amazon resource names, composed at the edge and taken apart there.
//
// Source: the resource types of the ECS service; long formats only for what Berth makes, short ones
// are understood. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "core/model/error.hpp"
#include "core/model/ids.hpp"

namespace berth {

// Which partition of names this control plane speaks for.
struct Realm {
  std::string region = "us-east-1";
  std::string account = "000000000000";

  [[nodiscard]] std::string cluster_arn(const ClusterName& cluster) const;
  [[nodiscard]] std::string task_arn(const ClusterName& cluster, const TaskId& task) const;
  [[nodiscard]] std::string container_instance_arn(const ClusterName& cluster,
                                                   const NodeId& node) const;
  [[nodiscard]] std::string container_arn(const ClusterName& cluster, const TaskId& task,
                                          std::string_view container_id) const;
  [[nodiscard]] std::string capacity_provider_arn(std::string_view name) const;
  [[nodiscard]] std::string task_definition_arn(const DefinitionId& id) const;
  [[nodiscard]] std::string service_arn(const ServiceId& service) const;
  // `id` and `revision`: what StoredServiceDeployment has under these names.
  [[nodiscard]] std::string service_deployment_arn(const ServiceId& service,
                                                   std::string_view id) const;
  [[nodiscard]] std::string service_revision_arn(const ServiceId& service,
                                                 std::string_view revision) const;
};

// The parts of an ECS ARN, or of a bare name. `path` is split at '/': for "task/prod/0af3..." type
// is "task", cluster "prod", id "0af3...".
struct ResourceName {
  std::string type;     // empty for a bare name
  std::string cluster;  // empty for bare names, short ARNs, clusters and task definitions
  std::string id;       // the last part: name, id, or family:revision
};

// Takes a bare name or an ARN whose resource type is `type`.
// Errors: Invalid where it starts like an ARN and is none, names another service or another type.
[[nodiscard]] Result<ResourceName> parse_resource(std::string_view text, std::string_view type);

// The parts of "service-deployment/cluster/service/id" and of "service-revision/...": ARNs only.
struct ServicePart {
  ServiceId service;
  std::string id;
};
// Errors: Invalid for anything else.
[[nodiscard]] Result<ServicePart> parse_service_part(std::string_view text, std::string_view type);

// Splits "family", "family:revision" or either as an ARN; revision 0 stands for the latest.
// Errors: Invalid, for a revision that is no positive number.
[[nodiscard]] Result<DefinitionId> parse_definition(std::string_view text);

// 1-255 of [A-Za-z0-9_-]: clusters, families, services, containers, volumes.
[[nodiscard]] bool is_valid_name(std::string_view name);

}  // namespace berth
