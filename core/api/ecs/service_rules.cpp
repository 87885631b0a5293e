// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/service_rules.hpp"

#include <algorithm>

#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/run_rules.hpp"

namespace berth::api {
namespace {

tl::unexpected<Error> refuse(std::string text, std::string member) {
  return fail(Errc::Invalid, std::move(text), Subject::Request, std::move(member));
}

tl::unexpected<Error> unsupported_member(const std::string& member, const std::string& what) {
  return fail(Errc::Unimplemented, member + ": " + what, Subject::Feature, member);
}

// What both requests have under the same names.
template <typename Request>
Result<void> check_features(const Request& request) {
  if (request.load_balancers_size() > 0) {
    return unsupported_member("loadBalancers", "load balancers are not supported yet.");
  }
  if (request.service_registries_size() > 0) {
    return unsupported_member("serviceRegistries", "service discovery is not supported yet.");
  }
  if (request.service_connect_configuration().enabled()) {
    return unsupported_member("serviceConnectConfiguration",
                              "Service Connect is not supported yet.");
  }
  if (request.volume_configurations_size() > 0) {
    return unsupported_member("volumeConfigurations",
                              "volumes that are configured at launch are not supported.");
  }
  if (request.vpc_lattice_configurations_size() > 0) {
    return unsupported_member("vpcLatticeConfigurations", "VPC Lattice is not supported.");
  }
  const std::string& controller = request.deployment_controller().type();
  if (!controller.empty() && controller != "ECS") {
    return unsupported_member("deploymentController.type",
                              "the deployment controller " + controller + " is not supported.");
  }
  return {};
}

Result<void> check_breaker(const model::DeploymentCircuitBreaker& breaker) {
  const std::string path = "deploymentConfiguration.deploymentCircuitBreaker";
  if (!breaker.has_threshold_configuration()) return {};
  const auto& threshold = breaker.threshold_configuration();
  if (threshold.has_value() && threshold.value() < 1) {
    return refuse("The threshold of the deployment circuit breaker must be at least 1.",
                  path + ".thresholdConfiguration.value");
  }
  if (threshold.type() == "COUNT" && !threshold.has_value()) {
    return refuse("A threshold of the type COUNT needs a value.",
                  path + ".thresholdConfiguration.value");
  }
  return {};
}

Result<void> check_configuration(const model::DeploymentConfiguration& configuration) {
  const std::string& strategy = configuration.strategy();
  if (!strategy.empty() && strategy != "ROLLING") {
    return unsupported_member("deploymentConfiguration.strategy",
                              "the deployment strategy " + strategy + " is not supported yet.");
  }
  if (configuration.alarms().enable()) {
    return unsupported_member("deploymentConfiguration.alarms",
                              "deployment alarms are not supported.");
  }
  if (configuration.lifecycle_hooks_size() > 0) {
    return unsupported_member("deploymentConfiguration.lifecycleHooks",
                              "lifecycle hooks are not supported yet.");
  }
  if (configuration.bake_time_in_minutes() > 0) {
    return unsupported_member("deploymentConfiguration.bakeTimeInMinutes",
                              "bake time belongs to strategies that are not supported yet.");
  }
  if (configuration.has_linear_configuration() || configuration.has_canary_configuration()) {
    return unsupported_member("deploymentConfiguration",
                              "LINEAR and CANARY deployments are not supported yet.");
  }
  return check_breaker(configuration.deployment_circuit_breaker());
}

Result<void> check_daemon(const model::CreateServiceRequest& request) {
  if (request.has_desired_count()) {
    return refuse("desiredCount is not valid for a service with the DAEMON strategy.",
                  "desiredCount");
  }
  if (request.placement_strategy_size() > 0) {
    return refuse("Placement strategies are not valid for a service with the DAEMON strategy.",
                  "placementStrategy");
  }
  if (request.capacity_provider_strategy_size() > 0) {
    return unsupported_member("capacityProviderStrategy",
                              "capacity provider strategies are not supported with the DAEMON "
                              "strategy: name a launchType.");
  }
  if (request.launch_type() == "FARGATE") {
    return refuse("The DAEMON strategy is not supported with the launch type FARGATE.",
                  "schedulingStrategy");
  }
  const auto& configuration = request.deployment_configuration();
  if (configuration.has_maximum_percent() && configuration.maximum_percent() != 100) {
    return refuse("maximumPercent must be 100 for a service with the DAEMON strategy.",
                  "deploymentConfiguration.maximumPercent");
  }
  return {};
}

Result<void> check_replica(const model::CreateServiceRequest& request) {
  if (!request.has_desired_count()) {
    return refuse("desiredCount is required for a service with the REPLICA strategy.",
                  "desiredCount");
  }
  const auto& configuration = request.deployment_configuration();
  const int maximum = configuration.has_maximum_percent() ? configuration.maximum_percent() : 200;
  const int minimum =
      configuration.has_minimum_healthy_percent() ? configuration.minimum_healthy_percent() : 100;
  if (minimum > maximum) {
    return refuse("minimumHealthyPercent must not be above maximumPercent.",
                  "deploymentConfiguration.minimumHealthyPercent");
  }
  return {};
}

}  // namespace

Result<void> check_create_service(const Call& call, const model::CreateServiceRequest& request) {
  if (!is_valid_name(request.service_name())) {
    return refuse("Invalid service name: up to 255 letters, digits, '_' and '-' are allowed.",
                  "serviceName");
  }
  if (request.task_definition().empty()) {
    return refuse("TaskDefinition can not be blank.", "taskDefinition");
  }
  if (request.has_launch_type() && request.capacity_provider_strategy_size() > 0) {
    return refuse("Cannot specify both a launch type and a capacity provider strategy.",
                  "launchType");
  }
  if (auto done = check_features(request); !done) return done;
  if (auto done = check_configuration(request.deployment_configuration()); !done) return done;
  const bool daemon = request.scheduling_strategy() == "DAEMON";
  if (auto done = daemon ? check_daemon(request) : check_replica(request); !done) return done;
  if (auto id = parse_definition(request.task_definition()); !id) return tl::unexpected(id.error());
  if (auto done = check_tags(request.tags()); !done) return done;
  if (auto done = check_constraints(call, request.placement_constraints()); !done) return done;
  return check_strategies(request.placement_strategy());
}

Result<void> check_update_service(const Call& call, const model::UpdateServiceRequest& request) {
  if (auto done = check_features(request); !done) return done;
  if (auto done = check_configuration(request.deployment_configuration()); !done) return done;
  if (request.has_task_definition()) {
    if (auto id = parse_definition(request.task_definition()); !id) {
      return tl::unexpected(id.error());
    }
  }
  if (auto done = check_constraints(call, request.placement_constraints()); !done) return done;
  return check_strategies(request.placement_strategy());
}

}  // namespace berth::api
