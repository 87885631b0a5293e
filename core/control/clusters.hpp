// SPDX-License-Identifier: Apache-2.0
// CreateCluster and DeleteCluster, and which capacity providers a cluster has.
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
  void put_providers(const PutClusterProviders& command, const Reply& reply);
  void list_providers(const ListProviders& command, const Reply& reply) const;

 private:
  [[nodiscard]] Result<ClusterPtr> make(const model::CreateClusterRequest& request);
  using Strategy = google::protobuf::RepeatedPtrField<model::CapacityProviderStrategyItem>;
  using Names = google::protobuf::RepeatedPtrField<std::string>;
  // Sets the cluster's providers and its default strategy. Errors: Invalid.
  [[nodiscard]] Result<void> set_providers(const Names& names, const Strategy& strategy,
                                           Cluster& cluster) const;
  [[nodiscard]] Result<ClusterPtr> with_providers(
      const model::PutClusterCapacityProvidersRequest& request);
  // A provider of the cluster that is not among `names`, and has tasks or services; or empty.
  [[nodiscard]] std::string used_beyond(const Names& names, const Cluster& cluster) const;
  [[nodiscard]] Result<ClusterPtr> unmake(const model::DeleteClusterRequest& request);

  Desk& desk_;
  Plugins& plugins_;
  Nodes& nodes_;
};

}  // namespace berth::control
