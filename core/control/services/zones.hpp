// SPDX-License-Identifier: Apache-2.0
// Which Availability Zones a cluster has instances in that may be given tasks: ACTIVE and
// connected.
//
// Kept by the change. Threads: loop.
#pragma once

#include <map>
#include <string>

#include "core/model/records.hpp"

namespace berth::control {

// Of this node, as it says itself; empty where it says nothing.
[[nodiscard]] std::string zone_of(const v1::Node& node);

class Zones {
 public:
  // `instance` null: it is gone. True where the cluster has a zone more or less now.
  bool look(const ClusterName& cluster, const NodeId& node, const ContainerInstance* instance);
  // With the number of instances in each.
  [[nodiscard]] const std::map<std::string, int>& of(const ClusterName& cluster) const;

 private:
  std::map<NodeId, std::string> zone_;
  std::map<ClusterName, std::map<std::string, int>> counts_;
};

}  // namespace berth::control
