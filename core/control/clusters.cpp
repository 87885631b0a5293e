// SPDX-License-Identifier: Apache-2.0
#include "core/control/clusters.hpp"

#include <algorithm>
#include <utility>

#include "core/control/run_parts.hpp"

namespace berth::control {
namespace {

Result<Answer> as_answer(Result<ClusterPtr> result) {
  if (!result) return tl::unexpected(result.error());
  return Answer(std::move(*result));
}

// Settings and where exec would log are kept and shown; these would be promises that nobody keeps.
Result<void> may_be_promised(const model::CreateClusterRequest& request) {
  if (request.has_service_connect_defaults()) {
    return fail(Errc::Unimplemented, "serviceConnectDefaults: Service Connect is not supported.",
                Subject::Request, "serviceConnectDefaults");
  }
  if (request.configuration().has_managed_storage_configuration()) {
    return fail(Errc::Unimplemented,
                "configuration.managedStorageConfiguration: the encryption of managed storage is "
                "not supported.",
                Subject::Request, "configuration.managedStorageConfiguration");
  }
  return {};
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
  if (auto kept = may_be_promised(request); !kept) return tl::unexpected(kept.error());
  Cluster cluster;
  cluster.name = ClusterName(request.cluster_name().empty() ? "default" : request.cluster_name());
  if (const ClusterPtr there = desk_.state().cluster(cluster.name); there && there->active) {
    return there;  // as it is: creating twice is not changing
  }
  if (auto set = set_providers(request.capacity_providers(),
                               request.default_capacity_provider_strategy(), cluster);
      !set) {
    return tl::unexpected(set.error());
  }
  cluster.settings.assign(request.settings().begin(), request.settings().end());
  cluster.tags.assign(request.tags().begin(), request.tags().end());
  if (request.has_configuration()) cluster.configuration = request.configuration();
  const ClusterName name = cluster.name;
  desk_.save(std::move(cluster));
  nodes_.cluster_made(name);
  return desk_.state().cluster(name);
}

Result<void> Clusters::set_providers(const Names& names, const Strategy& strategy,
                                     Cluster& cluster) const {
  cluster.capacity_providers.clear();
  for (const std::string& provider : names) {
    if (plugins_.serving_provider(provider).empty()) {
      return fail(Errc::Invalid,
                  "The specified capacity provider '" + provider + "' was not found.",
                  Subject::Request, "capacityProviders");
    }
    cluster.capacity_providers.push_back(provider);
  }
  const auto& known = cluster.capacity_providers;
  for (const auto& item : strategy) {
    if (std::find(known.begin(), known.end(), item.capacity_provider()) != known.end()) continue;
    return fail(Errc::Invalid,
                "The capacity provider '" + item.capacity_provider() +
                    "' of the default strategy is not associated with the cluster.",
                Subject::Request, "defaultCapacityProviderStrategy");
  }
  cluster.default_capacity_provider_strategy.assign(strategy.begin(), strategy.end());
  return check_provider_items(cluster.default_capacity_provider_strategy,
                              "defaultCapacityProviderStrategy");
}

std::string Clusters::used_beyond(const Names& names, const Cluster& cluster) const {
  const auto goes = [&](const std::string& provider) {
    return !provider.empty() && std::find(names.begin(), names.end(), provider) == names.end();
  };
  for (const TaskId& id : desk_.state().tasks_of(cluster.name)) {
    const TaskPtr task = desk_.state().task(id);
    const bool runs = task && task->last_status != TaskStatus::Stopped;
    if (runs && goes(task->launch->capacity_provider)) return task->launch->capacity_provider;
  }
  const auto& services = desk_.state().services();
  for (auto at = services.lower_bound({cluster.name, ServiceName()});
       at != services.end() && at->first.cluster == cluster.name; ++at) {
    if (at->second->inactive()) continue;
    for (const auto& item : at->second->data.capacity_provider_strategy()) {
      if (goes(item.capacity_provider())) return item.capacity_provider();
    }
  }
  return {};
}

void Clusters::list_providers(const ListProviders& command, const Reply& reply) const {
  ProvidersAnswer answer{plugins_.providers()};
  if (command.cluster) {
    const ClusterPtr cluster = desk_.state().cluster(*command.cluster);
    if (!cluster || !cluster->active) {
      return desk_.answer(reply, fail(Errc::NotFound, "Cluster not found.", Subject::Cluster,
                                      command.cluster->str()));
    }
    const auto& own = cluster->capacity_providers;
    std::erase_if(answer.names, [&](const std::string& name) {
      return std::find(own.begin(), own.end(), name) == own.end();
    });
  }
  desk_.answer(reply, Answer(std::move(answer)));
}

void Clusters::put_providers(const PutClusterProviders& command, const Reply& reply) {
  desk_.answer(reply, as_answer(with_providers(command.request)));
}

Result<ClusterPtr> Clusters::with_providers(
    const model::PutClusterCapacityProvidersRequest& request) {
  auto name = parse_resource(request.cluster(), "cluster");
  if (!name) return tl::unexpected(name.error());
  const ClusterPtr before = desk_.state().cluster(ClusterName(name->id));
  if (!before || !before->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, name->id);
  }
  const std::string used = used_beyond(request.capacity_providers(), *before);
  if (!used.empty()) {
    return fail(Errc::Precondition,
                "The specified capacity provider is in use and cannot be removed.", Subject::InUse,
                used);
  }
  Cluster after = *before;
  if (auto set = set_providers(request.capacity_providers(),
                               request.default_capacity_provider_strategy(), after);
      !set) {
    return tl::unexpected(set.error());
  }
  desk_.save(std::move(after));
  return desk_.state().cluster(before->name);
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
