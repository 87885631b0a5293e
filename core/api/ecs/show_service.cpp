// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/show_service.hpp"

#include <algorithm>

#include "core/control/services/breaker.hpp"

namespace berth::api {
namespace {

using Stored = model::StoredServiceDeployment;

std::string definition_arn(const Realm& realm, const std::string& family, std::int32_t revision) {
  return realm.task_definition_arn({FamilyName(family), revision});
}

std::string_view rollout_state(Stored::Rollout rollout) {
  switch (rollout) {
    case Stored::ROLLOUT_COMPLETED:
      return "COMPLETED";
    case Stored::ROLLOUT_FAILED:
      return "FAILED";
    default:
      return "IN_PROGRESS";
  }
}

std::string_view role(Stored::Role role) {
  switch (role) {
    case Stored::ROLE_PRIMARY:
      return "PRIMARY";
    case Stored::ROLE_ACTIVE:
      return "ACTIVE";
    default:
      return "INACTIVE";
  }
}

// By a strategy, or by launch type.
template <typename From, typename Shown>
void show_way(const From& data, Shown& shown) {
  *shown.mutable_capacity_provider_strategy() = data.capacity_provider_strategy();
  if (shown.capacity_provider_strategy().empty()) shown.set_launch_type(data.launch_type());
}

// Of what runs in Fargate's pools; elsewhere there are no platforms.
template <typename From, typename Shown>
void show_platform(const From& data, Shown& shown) {
  const auto is_fargate = [](const auto& item) {
    return item.capacity_provider().starts_with("FARGATE");
  };
  const bool pooled = data.launch_type() == "FARGATE" ||
                      std::ranges::any_of(data.capacity_provider_strategy(), is_fargate);
  if (!pooled) return;
  shown.set_platform_version(data.platform_version().empty() ? "LATEST" : data.platform_version());
  shown.set_platform_family("Linux");
}

model::Deployment show_deployment(const DeploymentView& view, const model::StoredService& service,
                                  const Realm& realm) {
  const Stored& data = view.deployment->data;
  model::Deployment shown;
  shown.set_id("ecs-svc/" + view.deployment->number.str());
  shown.set_status(std::string(role(data.role())));
  shown.set_task_definition(definition_arn(realm, data.family(), data.revision()));
  shown.set_desired_count(view.deployment->primary() ? service.desired_count() : 0);
  shown.set_pending_count(view.counts.pending);
  shown.set_running_count(view.counts.running);
  shown.set_failed_tasks(data.failed_tasks());
  *shown.mutable_created_at() = data.created_at();
  *shown.mutable_updated_at() = data.updated_at();
  show_way(data, shown);
  show_platform(data, shown);
  if (data.has_network_configuration()) {
    *shown.mutable_network_configuration() = data.network_configuration();
  }
  shown.set_rollout_state(std::string(rollout_state(data.rollout())));
  shown.set_rollout_state_reason(data.rollout_reason());
  return shown;
}

void show_settings(const model::StoredService& data, model::Service& shown) {
  show_way(data, shown);
  show_platform(data, shown);
  *shown.mutable_deployment_configuration() = data.deployment_configuration();
  *shown.mutable_placement_constraints() = data.placement_constraints();
  *shown.mutable_placement_strategy() = data.placement_strategy();
  if (data.has_network_configuration()) {
    *shown.mutable_network_configuration() = data.network_configuration();
  }
  shown.set_health_check_grace_period_seconds(data.health_check_grace_period_seconds());
  shown.set_scheduling_strategy(data.daemon() ? "DAEMON" : "REPLICA");
  shown.mutable_deployment_controller()->set_type("ECS");
  shown.set_enable_ecs_managed_tags(data.enable_ecs_managed_tags());
  shown.set_propagate_tags(data.propagate_tags());
  shown.set_enable_execute_command(data.enable_execute_command());
  const std::string& rebalancing = data.availability_zone_rebalancing();
  shown.set_availability_zone_rebalancing(rebalancing.empty() ? "DISABLED" : rebalancing);
  shown.set_resource_management_type("CUSTOMER");
  if (!data.role().empty()) shown.set_role_arn(data.role());
  if (!data.created_by().empty()) shown.set_created_by(data.created_by());
}

model::ServiceDeploymentCircuitBreaker show_breaker(const RolloutView& view) {
  const Stored& data = view.deployment.deployment->data;
  // What is under way is judged by what the service says now; what is over, by what was in force.
  const bool in_force = view.deployment.deployment->primary() && data.status() == "IN_PROGRESS";
  const auto& configuration =
      in_force ? view.service->data.deployment_configuration() : data.configuration();
  const int count = in_force ? view.service->data.desired_count() : data.requested_count();
  const auto& breaker = configuration.deployment_circuit_breaker();
  model::ServiceDeploymentCircuitBreaker shown;
  if (!breaker.enable()) {
    shown.set_status("DISABLED");
  } else if (data.breaker_triggered()) {
    shown.set_status("TRIGGERED");
  } else {
    shown.set_status(data.status() == "IN_PROGRESS" ? "MONITORING" : "MONITORING_COMPLETE");
  }
  shown.set_failure_count(data.breaker_failures());
  shown.set_threshold(control::breaker_threshold(breaker, count));
  return shown;
}

}  // namespace

ServiceView service_view(const control::State& state, ServicePtr service) {
  ServiceView view;
  for (const auto& [number, one] : state.deployments_of(service->id)) {
    const std::string& status = one->data.status();
    if (status == "IN_PROGRESS" || status == "ROLLBACK_IN_PROGRESS") view.under_way = one;
    if (!one->current()) continue;
    view.deployments.push_back({one, state.counts_of(number)});
    if (!view.under_way && one->primary()) view.under_way = one;
  }
  std::ranges::sort(view.deployments, [](const auto& a, const auto& b) {
    if (a.deployment->primary() != b.deployment->primary()) return a.deployment->primary();
    return a.deployment->data.created_at().ms() > b.deployment->data.created_at().ms();
  });
  view.service = std::move(service);
  return view;
}

model::Service show_service(const ServiceView& view, const Realm& realm, Tags tags) {
  const ServiceId& id = view.service->id;
  const model::StoredService& data = view.service->data;
  model::Service shown;
  shown.set_service_arn(realm.service_arn(id));
  shown.set_service_name(id.name.str());
  shown.set_cluster_arn(realm.cluster_arn(id.cluster));
  shown.set_status(data.status());
  shown.set_desired_count(data.desired_count());
  show_settings(data, shown);
  shown.set_task_definition(definition_arn(realm, data.family(), data.revision()));
  int running = 0;
  int pending = 0;
  for (const DeploymentView& one : view.deployments) {
    running += one.counts.running;
    pending += one.counts.pending;
    *shown.add_deployments() = show_deployment(one, data, realm);
    model::ServiceCurrentRevisionSummary& revision = *shown.add_current_service_revisions();
    revision.set_arn(realm.service_revision_arn(id, one.deployment->data.revision_number()));
    revision.set_requested_task_count(one.deployment->primary() ? data.desired_count() : 0);
    revision.set_running_task_count(one.counts.running);
    revision.set_pending_task_count(one.counts.pending);
  }
  shown.set_running_count(running);
  shown.set_pending_count(pending);
  if (view.under_way) {
    shown.set_current_service_deployment(
        realm.service_deployment_arn(id, view.under_way->data.id()));
  }
  for (int i = data.events_size() - 1; i >= 0; --i) *shown.add_events() = data.events(i);
  *shown.mutable_created_at() = data.created_at();
  if (tags == Tags::Show) *shown.mutable_tags() = data.tags();
  return shown;
}

RolloutView rollout_view(const control::State& state, const ServicePtr& service,
                         const ServiceDeploymentPtr& deployment) {
  RolloutView view;
  view.service = service;
  view.deployment = {deployment, state.counts_of(deployment->number)};
  view.rollback_to =
      state.deployment(service->id, DeploymentNumber(deployment->data.rollback_to()));
  return view;
}

model::ServiceDeployment show_rollout(const RolloutView& view, const Realm& realm) {
  const ServiceDeployment& deployment = *view.deployment.deployment;
  const Stored& data = deployment.data;
  const ServiceId& id = deployment.service;
  model::ServiceDeployment shown;
  shown.set_service_deployment_arn(realm.service_deployment_arn(id, data.id()));
  shown.set_service_arn(realm.service_arn(id));
  shown.set_cluster_arn(realm.cluster_arn(id.cluster));
  *shown.mutable_created_at() = data.created_at();
  if (data.has_started_at()) *shown.mutable_started_at() = data.started_at();
  if (data.has_finished_at()) *shown.mutable_finished_at() = data.finished_at();
  if (data.has_stopped_at()) *shown.mutable_stopped_at() = data.stopped_at();
  *shown.mutable_updated_at() = data.updated_at();
  for (const model::ServiceRevisionSummary& source : data.sources()) {
    model::ServiceRevisionSummary& one = *shown.add_source_service_revisions();
    one = source;
    one.set_arn(realm.service_revision_arn(id, source.arn()));
  }
  model::ServiceRevisionSummary& target = *shown.mutable_target_service_revision();
  target.set_arn(realm.service_revision_arn(id, data.revision_number()));
  target.set_requested_task_count(deployment.primary() ? view.service->data.desired_count()
                                                       : data.requested_count());
  target.set_running_task_count(view.deployment.counts.running);
  target.set_pending_task_count(view.deployment.counts.pending);
  shown.set_status(data.status());
  if (!data.status_reason().empty()) shown.set_status_reason(data.status_reason());
  *shown.mutable_deployment_configuration() = data.configuration();
  if (view.rollback_to) {
    model::Rollback& rollback = *shown.mutable_rollback();
    rollback.set_reason(data.rollback_reason());
    *rollback.mutable_started_at() = data.rollback_at();
    rollback.set_service_revision_arn(
        realm.service_revision_arn(id, view.rollback_to->data.revision_number()));
  }
  *shown.mutable_deployment_circuit_breaker() = show_breaker(view);
  return shown;
}

model::ServiceDeploymentBrief show_brief(const RolloutView& view, const Realm& realm) {
  const Stored& data = view.deployment.deployment->data;
  const ServiceId& id = view.deployment.deployment->service;
  model::ServiceDeploymentBrief shown;
  shown.set_service_deployment_arn(realm.service_deployment_arn(id, data.id()));
  shown.set_service_arn(realm.service_arn(id));
  shown.set_cluster_arn(realm.cluster_arn(id.cluster));
  if (data.has_started_at()) *shown.mutable_started_at() = data.started_at();
  *shown.mutable_created_at() = data.created_at();
  if (data.has_finished_at()) *shown.mutable_finished_at() = data.finished_at();
  shown.set_target_service_revision_arn(realm.service_revision_arn(id, data.revision_number()));
  shown.set_status(data.status());
  if (!data.status_reason().empty()) shown.set_status_reason(data.status_reason());
  return shown;
}

model::ServiceRevision show_revision(const ServiceDeployment& deployment, const Realm& realm) {
  const Stored& data = deployment.data;
  const ServiceId& id = deployment.service;
  model::ServiceRevision shown;
  shown.set_service_revision_arn(realm.service_revision_arn(id, data.revision_number()));
  shown.set_service_arn(realm.service_arn(id));
  shown.set_cluster_arn(realm.cluster_arn(id.cluster));
  shown.set_task_definition(definition_arn(realm, data.family(), data.revision()));
  show_way(data, shown);
  show_platform(data, shown);
  if (data.has_network_configuration()) {
    *shown.mutable_network_configuration() = data.network_configuration();
  }
  *shown.mutable_container_images() = data.images();
  shown.set_guard_duty_enabled(false);
  *shown.mutable_created_at() = data.created_at();
  return shown;
}

}  // namespace berth::api
