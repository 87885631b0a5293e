// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/settings.hpp"

#include <optional>
#include <string>

#include "core/control/canonical.hpp"
#include "core/model/arn.hpp"

namespace berth::control {
namespace {

void fill_in(model::StoredService& service) {
  model::DeploymentConfiguration& configuration = *service.mutable_deployment_configuration();
  if (!configuration.has_maximum_percent()) {
    configuration.set_maximum_percent(service.daemon() ? 100 : 200);
  }
  if (!configuration.has_minimum_healthy_percent()) {
    configuration.set_minimum_healthy_percent(service.daemon() ? 0 : 100);
  }
  if (!configuration.has_strategy()) configuration.set_strategy("ROLLING");
  auto& breaker = *configuration.mutable_deployment_circuit_breaker();
  if (!breaker.has_enable()) breaker.set_enable(false);
  if (!breaker.has_rollback()) breaker.set_rollback(false);
}

// Parts that are given replace, parts that are absent stay.
void merge(model::DeploymentConfiguration& into, const model::DeploymentConfiguration& given) {
  if (given.has_maximum_percent()) into.set_maximum_percent(given.maximum_percent());
  if (given.has_minimum_healthy_percent()) {
    into.set_minimum_healthy_percent(given.minimum_healthy_percent());
  }
  if (given.has_strategy()) into.set_strategy(given.strategy());
  if (given.has_deployment_circuit_breaker()) {
    *into.mutable_deployment_circuit_breaker() = given.deployment_circuit_breaker();
  }
}

tl::unexpected<Error> refuse(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

// Attributes in strategies may be named with and without "attribute:", and so they are in queries.
bool names_the_zone(const std::string& text) {
  return text.find("ecs.availability-zone") != std::string::npos;
}

bool same_strategy(const model::StoredService& before, const model::StoredService& after) {
  const auto& a = before.capacity_provider_strategy();
  const auto& b = after.capacity_provider_strategy();
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return canonical_bytes(x) == canonical_bytes(y);
  });
}

// What keeps its tasks from being moved between zones.
std::optional<Error> against_rebalancing(const model::StoredService& service) {
  const auto because = [](const std::string& why, const char* member) {
    return Error{Errc::Invalid, "availabilityZoneRebalancing cannot be ENABLED " + why,
                 Subject::Request, member};
  };
  if (service.daemon()) {
    return because("for a service with the DAEMON strategy.", "availabilityZoneRebalancing");
  }
  if (service.launch_type() == "EXTERNAL") {
    return because("with the launch type EXTERNAL.", "availabilityZoneRebalancing");
  }
  if (service.deployment_configuration().maximum_percent() <= 100) {
    return because("where maximumPercent is not above 100.",
                   "deploymentConfiguration.maximumPercent");
  }
  for (const auto& constraint : service.placement_constraints()) {
    if (!names_the_zone(constraint.expression())) continue;
    return because("with a placement constraint on attribute:ecs.availability-zone.",
                   "placementConstraints");
  }
  if (service.placement_strategy_size() == 0) return std::nullopt;
  const auto& first = service.placement_strategy(0);
  if (first.type() == "spread" && names_the_zone(first.field())) return std::nullopt;
  return because(
      "unless the first placement strategy is a spread over attribute:ecs.availability-zone.",
      "placementStrategy");
}

}  // namespace

Result<void> check_rebalancing(const model::StoredService& service) {
  if (service.availability_zone_rebalancing() != "ENABLED") return {};
  if (auto against = against_rebalancing(service)) return tl::unexpected(*std::move(against));
  return {};
}

model::StoredService service_of(const model::CreateServiceRequest& request,
                                const DefinitionId& definition) {
  model::StoredService service;
  service.set_cluster(request.cluster());
  service.set_name(request.service_name());
  service.set_status("ACTIVE");
  service.set_daemon(request.scheduling_strategy() == "DAEMON");
  service.set_desired_count(request.desired_count());
  *service.mutable_capacity_provider_strategy() = request.capacity_provider_strategy();
  if (request.capacity_provider_strategy_size() == 0) {
    service.set_launch_type(request.has_launch_type() ? request.launch_type() : "EC2");
  }
  service.set_platform_version(request.platform_version());
  service.set_family(definition.family.str());
  service.set_revision(definition.revision);
  *service.mutable_deployment_configuration() = request.deployment_configuration();
  *service.mutable_placement_constraints() = request.placement_constraints();
  *service.mutable_placement_strategy() = request.placement_strategy();
  if (request.has_network_configuration()) {
    *service.mutable_network_configuration() = request.network_configuration();
  }
  service.set_health_check_grace_period_seconds(request.health_check_grace_period_seconds());
  *service.mutable_tags() = request.tags();
  service.set_enable_ecs_managed_tags(request.enable_ecs_managed_tags());
  service.set_propagate_tags(request.propagate_tags().empty() ? "NONE" : request.propagate_tags());
  service.set_enable_execute_command(request.enable_execute_command());
  service.set_client_token(request.client_token());
  service.set_role(request.role());
  fill_in(service);
  // ECS's default since 2025: on wherever it can be.
  const bool can = !against_rebalancing(service);
  service.set_availability_zone_rebalancing(request.has_availability_zone_rebalancing()
                                                ? request.availability_zone_rebalancing()
                                                : (can ? "ENABLED" : "DISABLED"));
  return service;
}

Result<void> check_update(const Service& service, const UpdateService& command) {
  const model::UpdateServiceRequest& request = command.request;
  if (!service.active()) {
    return fail(Errc::Precondition, "Service was not ACTIVE.", Subject::Service,
                service.id.name.str());
  }
  if (service.data.daemon()) {
    if (request.has_desired_count()) {
      return refuse("desiredCount is not valid for a service with the DAEMON strategy.",
                    "desiredCount");
    }
    if (request.placement_strategy_size() > 0) {
      return refuse("Placement strategies are not valid for a service with the DAEMON strategy.",
                    "placementStrategy");
    }
  }
  const model::StoredService next = updated(service.data, command);
  if (!same_strategy(service.data, next)) {
    if (next.daemon()) {
      return refuse("capacityProviderStrategy is not valid for a service with the DAEMON strategy.",
                    "capacityProviderStrategy");
    }
    if (!request.force_new_deployment()) {
      return refuse(
          "When switching from launch type to capacity provider strategy on an existing service, "
          "or making a change to a capacity provider strategy on a service that is already using "
          "one, you must force a new deployment.",
          "capacityProviderStrategy");
    }
  }
  if (auto ok = check_rebalancing(next); !ok) return ok;
  const auto& configuration = next.deployment_configuration();
  if (next.daemon() && configuration.maximum_percent() != 100) {
    return refuse("maximumPercent must be 100 for a service with the DAEMON strategy.",
                  "deploymentConfiguration.maximumPercent");
  }
  if (configuration.minimum_healthy_percent() > configuration.maximum_percent()) {
    return refuse("minimumHealthyPercent must not be above maximumPercent.",
                  "deploymentConfiguration.minimumHealthyPercent");
  }
  return {};
}

model::StoredService updated(const model::StoredService& before, const UpdateService& command) {
  const model::UpdateServiceRequest& request = command.request;
  const auto given = [&](const char* list) { return command.present.count(list) > 0; };
  model::StoredService next = before;
  if (request.has_desired_count()) next.set_desired_count(request.desired_count());
  if (request.has_task_definition()) {
    if (const auto id = parse_definition(request.task_definition()); id && id->revision > 0) {
      next.set_family(id->family.str());
      next.set_revision(id->revision);
    }
  }
  if (request.has_deployment_configuration()) {
    merge(*next.mutable_deployment_configuration(), request.deployment_configuration());
    fill_in(next);
  }
  if (request.has_network_configuration()) {
    *next.mutable_network_configuration() = request.network_configuration();
  }
  if (given("capacityProviderStrategy")) {
    *next.mutable_capacity_provider_strategy() = request.capacity_provider_strategy();
    // Back to where it was before; one that was never there is as if it had been made without.
    if (next.capacity_provider_strategy().empty() && next.launch_type().empty()) {
      next.set_launch_type("EC2");
    }
  }
  if (given("placementConstraints")) {
    *next.mutable_placement_constraints() = request.placement_constraints();
  }
  if (given("placementStrategy")) {
    *next.mutable_placement_strategy() = request.placement_strategy();
  }
  if (request.has_platform_version()) next.set_platform_version(request.platform_version());
  if (request.has_health_check_grace_period_seconds()) {
    next.set_health_check_grace_period_seconds(request.health_check_grace_period_seconds());
  }
  if (request.has_enable_execute_command()) {
    next.set_enable_execute_command(request.enable_execute_command());
  }
  if (request.has_enable_ecs_managed_tags()) {
    next.set_enable_ecs_managed_tags(request.enable_ecs_managed_tags());
  }
  if (request.has_propagate_tags()) next.set_propagate_tags(request.propagate_tags());
  if (request.has_availability_zone_rebalancing()) {
    next.set_availability_zone_rebalancing(request.availability_zone_rebalancing());
  }
  if (next.availability_zone_rebalancing() != "ENABLED") next.set_rebalancing(false);
  return next;
}

bool begins_deployment(const model::StoredService& before, const model::StoredService& after,
                       const UpdateService& command) {
  return command.request.force_new_deployment() || before.family() != after.family() ||
         before.revision() != after.revision() ||
         before.platform_version() != after.platform_version() ||
         canonical_bytes(before.network_configuration()) !=
             canonical_bytes(after.network_configuration());
}

namespace {

template <typename From>
model::RunTaskRequest plan_request_of(const From& from, const std::string& launch_type) {
  model::RunTaskRequest request;
  *request.mutable_capacity_provider_strategy() = from.capacity_provider_strategy();
  if (from.capacity_provider_strategy_size() == 0) request.set_launch_type(launch_type);
  if (!from.platform_version().empty()) request.set_platform_version(from.platform_version());
  if (from.has_network_configuration()) {
    *request.mutable_network_configuration() = from.network_configuration();
  }
  *request.mutable_placement_constraints() = from.placement_constraints();
  *request.mutable_placement_strategy() = from.placement_strategy();
  return request;
}

}  // namespace

model::RunTaskRequest plan_part(const model::CreateServiceRequest& request) {
  return plan_request_of(request, request.has_launch_type() ? request.launch_type() : "EC2");
}

model::RunTaskRequest plan_part(const model::StoredService& service) {
  return plan_request_of(service, service.launch_type());
}

}  // namespace berth::control
