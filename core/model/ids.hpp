// SPDX-License-Identifier: Apache-2.0
// Strong types for the names and ids of records.
//
// Threads: any.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace berth {

// A string that cannot be taken for another kind of string. Ordered and hashable; an empty one
// names nothing.
template <typename Tag>
class Name {
 public:
  Name() = default;
  explicit Name(std::string value) : value_(std::move(value)) {}
  [[nodiscard]] const std::string& str() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }
  auto operator<=>(const Name&) const = default;

 private:
  std::string value_;
};

using ClusterName = Name<struct ClusterNameTag>;  // 1-255 of [A-Za-z0-9_-]
using FamilyName = Name<struct FamilyNameTag>;    // likewise
using TaskId = Name<struct TaskIdTag>;            // 32 lower-case hex digits
using NodeId = Name<struct NodeIdTag>;  // a container instance's 32 hex digits, or a pool's own id
using PluginName = Name<struct PluginNameTag>;
using ServiceName = Name<struct ServiceNameTag>;            // as a cluster's
using DeploymentNumber = Name<struct DeploymentNumberTag>;  // 19 digits; shown as "ecs-svc/NUMBER"

// A service's name means something within its cluster.
struct ServiceId {
  ClusterName cluster;
  ServiceName name;
  auto operator<=>(const ServiceId&) const = default;
};

// family:revision
struct DefinitionId {
  FamilyName family;
  std::int32_t revision = 0;
  auto operator<=>(const DefinitionId&) const = default;
};

}  // namespace berth

template <typename Tag>
struct std::hash<berth::Name<Tag>> {
  std::size_t operator()(const berth::Name<Tag>& name) const noexcept {
    return std::hash<std::string>{}(name.str());
  }
};
