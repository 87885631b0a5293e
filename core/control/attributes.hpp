// SPDX-License-Identifier: Apache-2.0
// Custom attributes of container instances.
//
// Invariants: 1. A call changes all that it names or nothing. 2. What was put goes before what the
// agent reports under the same name, and stays through all its registrations. Threads: loop.
#pragma once

#include "core/control/desk.hpp"
#include "core/control/nodes.hpp"

namespace berth::control {

class Attributes {
 public:
  Attributes(Desk& desk, Nodes& nodes) : desk_(desk), nodes_(nodes) {}

  void put(const PutAttributes& command, const Reply& reply);
  void remove(const DeleteAttributes& command, const Reply& reply);

 private:
  using Instances = std::map<NodeId, ContainerInstance>;

  // Copies of the records that are named, to be changed.
  [[nodiscard]] Result<Instances> targets(const ClusterName& cluster,
                                          const std::vector<ecs::Attribute>& attributes) const;
  void save(Instances changed);

  Desk& desk_;
  Nodes& nodes_;
};

}  // namespace berth::control
