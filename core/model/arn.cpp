// SPDX-License-Identifier: Apache-2.0
#include "core/model/arn.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace berth {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string prefix(const Realm& realm) {
  return "arn:aws:ecs:" + realm.region + ":" + realm.account + ":";
}

// arn:partition:ecs:region:account:type/rest, where rest may hold ':' (family:revision). Type and
// rest split at '/'; nothing for what is no ARN of ECS.
std::vector<std::string_view> path_of(std::string_view text) {
  if (!text.starts_with("arn:")) return {};
  std::vector<std::string_view> head;
  for (int i = 0; i < 5; ++i) {
    const std::size_t at = text.find(':');
    if (at == std::string_view::npos) return {};
    head.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  if (head[2] != "ecs") return {};
  return split(text, '/');
}

}  // namespace

std::string Realm::cluster_arn(const ClusterName& cluster) const {
  return prefix(*this) + "cluster/" + cluster.str();
}

std::string Realm::task_arn(const ClusterName& cluster, const TaskId& task) const {
  return prefix(*this) + "task/" + cluster.str() + "/" + task.str();
}

std::string Realm::capacity_provider_arn(std::string_view name) const {
  return prefix(*this) + "capacity-provider/" + std::string(name);
}

std::string Realm::container_instance_arn(const ClusterName& cluster, const NodeId& node) const {
  return prefix(*this) + "container-instance/" + cluster.str() + "/" + node.str();
}

std::string Realm::container_arn(const ClusterName& cluster, const TaskId& task,
                                 std::string_view container_id) const {
  return prefix(*this) + "container/" + cluster.str() + "/" + task.str() + "/" +
         std::string(container_id);
}

std::string Realm::task_definition_arn(const DefinitionId& id) const {
  return prefix(*this) + "task-definition/" + id.family.str() + ":" + std::to_string(id.revision);
}

std::string Realm::service_arn(const ServiceId& service) const {
  return prefix(*this) + "service/" + service.cluster.str() + "/" + service.name.str();
}

std::string Realm::service_deployment_arn(const ServiceId& service, std::string_view id) const {
  return prefix(*this) + "service-deployment/" + service.cluster.str() + "/" + service.name.str() +
         "/" + std::string(id);
}

std::string Realm::service_revision_arn(const ServiceId& service, std::string_view revision) const {
  return prefix(*this) + "service-revision/" + service.cluster.str() + "/" + service.name.str() +
         "/" + std::string(revision);
}

Result<ResourceName> parse_resource(std::string_view text, std::string_view type) {
  if (!text.starts_with("arn:")) {
    return ResourceName{.type = {}, .cluster = {}, .id = std::string(text)};
  }
  const auto path = path_of(text);
  if (path.size() < 2 || path.size() > 3 || path[0] != type || path.back().empty()) {
    return fail(Errc::Invalid, "Invalid identifier: " + std::string(text), Subject::Request);
  }
  ResourceName name{.type = std::string(path[0]), .cluster = {}, .id = std::string(path.back())};
  if (path.size() == 3) name.cluster = path[1];
  return name;
}

Result<ServicePart> parse_service_part(std::string_view text, std::string_view type) {
  const auto path = path_of(text);
  if (path.size() != 4 || path[0] != type || path[3].empty()) {
    return fail(Errc::Invalid, "Invalid identifier: " + std::string(text), Subject::Request);
  }
  return ServicePart{{ClusterName(std::string(path[1])), ServiceName(std::string(path[2]))},
                     std::string(path[3])};
}

Result<DefinitionId> parse_definition(std::string_view text) {
  auto name = parse_resource(text, "task-definition");
  if (!name) return tl::unexpected(name.error());
  const std::size_t colon = name->id.rfind(':');
  if (colon == std::string::npos) return DefinitionId{FamilyName(name->id), 0};
  const std::string digits = name->id.substr(colon + 1);
  std::int32_t revision = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), revision);
  if (error != std::errc() || end != digits.data() + digits.size() || revision < 1) {
    return fail(Errc::Invalid, "Invalid revision number. Number: " + digits, Subject::Request,
                "taskDefinition");
  }
  return DefinitionId{FamilyName(name->id.substr(0, colon)), revision};
}

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

}  // namespace berth
