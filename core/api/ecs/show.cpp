// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/show.hpp"

namespace berth::api {

ClusterView cluster_view(const control::State& state, ClusterPtr cluster) {
  ClusterView view;
  view.counts = state.counts_of(cluster->name);
  for (const NodeId& id : state.instances_of(cluster->name)) {
    const auto instance = state.instance(id);
    if (instance != nullptr && instance->status != InstanceStatus::Inactive) ++view.instances;
  }
  const auto& services = state.services();
  for (auto at = services.lower_bound({cluster->name, ServiceName()});
       at != services.end() && at->first.cluster == cluster->name; ++at) {
    const Service& service = *at->second;
    if (service.inactive()) continue;
    ++(service.active() ? view.active_services
                        : view.draining_services)[service.data.launch_type()];
  }
  view.cluster = std::move(cluster);
  return view;
}

model::Cluster show_cluster(const ClusterView& view, const Realm& realm, ClusterParts parts) {
  const Cluster& cluster = *view.cluster;
  model::Cluster shown;
  shown.set_cluster_arn(realm.cluster_arn(cluster.name));
  shown.set_cluster_name(cluster.name.str());
  shown.set_status(cluster.active ? "ACTIVE" : "INACTIVE");
  shown.set_registered_container_instances_count(view.instances);
  shown.set_running_tasks_count(view.counts.running);
  shown.set_pending_tasks_count(view.counts.pending);
  int services = 0;
  for (const auto& [type, count] : view.active_services) services += count;
  shown.set_active_services_count(services);
  for (const std::string& provider : cluster.capacity_providers) {
    shown.add_capacity_providers(provider);
  }
  for (const auto& item : cluster.default_capacity_provider_strategy) {
    *shown.add_default_capacity_provider_strategy() = item;
  }
  if (cluster.service_connect_defaults) {
    *shown.mutable_service_connect_defaults() = *cluster.service_connect_defaults;
  }
  if (parts.configuration && cluster.configuration) {
    *shown.mutable_configuration() = *cluster.configuration;
  }
  if (parts.settings) {
    for (const auto& setting : cluster.settings) *shown.add_settings() = setting;
    if (cluster.settings.empty()) {
      shown.add_settings()->set_name("containerInsights");
      shown.mutable_settings(0)->set_value("disabled");
    }
  }
  if (parts.tags) {
    for (const auto& tag : cluster.tags) *shown.add_tags() = tag;
  }
  return shown;
}

ecs::TaskDefinition show_definition(const TaskDefinition& definition, const Realm& realm) {
  ecs::TaskDefinition shown = definition.message;
  shown.set_task_definition_arn(realm.task_definition_arn(definition.id));
  return shown;
}

model::Failure show_failure(const control::Failure& failure) {
  model::Failure shown;
  if (!failure.arn.empty()) shown.set_arn(failure.arn);
  shown.set_reason(failure.reason);
  if (!failure.detail.empty()) shown.set_detail(failure.detail);
  return shown;
}

model::Failure missing(std::string arn) {
  model::Failure failure;
  failure.set_arn(std::move(arn));
  failure.set_reason("MISSING");
  return failure;
}

}  // namespace berth::api
