// SPDX-License-Identifier: Apache-2.0
#include "core/control/clusters.hpp"

#include <algorithm>
#include <utility>

namespace berth::control {
namespace {

Result<Answer> as_answer(Result<ClusterPtr> result) {
  if (!result) return tl::unexpected(result.error());
  return Answer(std::move(*result));
}

}  // namespace

void Clusters::make_default() {
  const ClusterName name(desk_.config().default_cluster);
  if (desk_.state().cluster(name)) return;
  Cluster cluster;
  cluster.name = name;
  desk_.save(std::move(cluster));
}

void Clusters::create(const CreateCluster& command, const Reply& reply) {
  desk_.answer(reply, as_answer(make(command.request)));
}

void Clusters::remove(const DeleteCluster& command, const Reply& reply) {
  desk_.answer(reply, as_answer(unmake(command.request)));
}

Result<ClusterPtr> Clusters::make(const model::CreateClusterRequest& request) {
  Cluster cluster;
  cluster.name = ClusterName(request.cluster_name().empty() ? "default" : request.cluster_name());
  if (const ClusterPtr there = desk_.state().cluster(cluster.name); there && there->active) {
    return there;  // as it is: creating twice is not changing
  }
  for (const std::string& provider : request.capacity_providers()) {
    if (plugins_.serving_provider(provider).empty()) {
      return fail(Errc::Invalid,
                  "The specified capacity provider '" + provider + "' was not found.",
                  Subject::Request, "capacityProviders");
    }
    cluster.capacity_providers.push_back(provider);
  }
  for (const auto& item : request.default_capacity_provider_strategy()) {
    const auto& known = cluster.capacity_providers;
    if (std::find(known.begin(), known.end(), item.capacity_provider()) == known.end()) {
      return fail(Errc::Invalid,
                  "The capacity provider '" + item.capacity_provider() +
                      "' of the default strategy is not associated with the cluster.",
                  Subject::Request, "defaultCapacityProviderStrategy");
    }
    cluster.default_capacity_provider_strategy.push_back(item);
  }
  cluster.settings.assign(request.settings().begin(), request.settings().end());
  cluster.tags.assign(request.tags().begin(), request.tags().end());
  if (request.has_configuration()) cluster.configuration = request.configuration();
  if (request.has_service_connect_defaults()) {
    cluster.service_connect_defaults.emplace();
    cluster.service_connect_defaults->set_namespace_(
        request.service_connect_defaults().namespace_());
  }
  const ClusterName name = cluster.name;
  desk_.save(std::move(cluster));
  nodes_.cluster_made(name);
  return desk_.state().cluster(name);
}

Result<ClusterPtr> Clusters::unmake(const model::DeleteClusterRequest& request) {
  auto name = parse_resource(request.cluster(), "cluster");
  if (!name) return tl::unexpected(name.error());
  const ClusterPtr cluster = desk_.state().cluster(ClusterName(name->id));
  if (!cluster) return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, name->id);
  if (!cluster->active) return cluster;
  for (const NodeId& id : desk_.state().instances_of(cluster->name)) {
    if (desk_.state().instance(id)->status == InstanceStatus::Inactive) continue;
    return fail(Errc::Precondition,
                "The Cluster cannot be deleted while Container Instances are active or draining.",
                Subject::ClusterContents, "container instances");
  }
  const auto& services = desk_.state().services();
  for (auto at = services.lower_bound({cluster->name, ServiceName()});
       at != services.end() && at->first.cluster == cluster->name; ++at) {
    if (at->second->inactive()) continue;
    return fail(Errc::Precondition, "The Cluster cannot be deleted while Services are active.",
                Subject::ClusterContents, "services");
  }
  if (desk_.state().unfinished_in(cluster->name) > 0) {
    return fail(Errc::Precondition, "The Cluster cannot be deleted while Tasks are active.",
                Subject::ClusterContents, "tasks");
  }
  Cluster inactive = *cluster;
  inactive.active = false;
  desk_.save(std::move(inactive));
  return desk_.state().cluster(cluster->name);
}

}  // namespace berth::control
