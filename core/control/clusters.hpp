// SPDX-License-Identifier: Apache-2.0
// CreateCluster and DeleteCluster.
//
// Threads: loop.
#pragma once

#include "core/control/desk.hpp"
#include "core/control/nodes.hpp"
#include "core/control/plugins.hpp"

namespace berth::control {

class Clusters {
 public:
  Clusters(Desk& desk, Plugins& plugins, Nodes& nodes)
      : desk_(desk), plugins_(plugins), nodes_(nodes) {}

  // The default cluster, where there has never been one.
  void make_default();

  void create(const CreateCluster& command, const Reply& reply);
  void remove(const DeleteCluster& command, const Reply& reply);

 private:
  [[nodiscard]] Result<ClusterPtr> make(const model::CreateClusterRequest& request);
  [[nodiscard]] Result<ClusterPtr> unmake(const model::DeleteClusterRequest& request);

  Desk& desk_;
  Plugins& plugins_;
  Nodes& nodes_;
};

}  // namespace berth::control
