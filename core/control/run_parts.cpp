// SPDX-License-Identifier: Apache-2.0
#include "core/control/run_parts.hpp"

#include <algorithm>
#include <set>

namespace berth::control {
namespace {

struct Mapped {
  Errc code;
  Subject subject;
};

Mapped mapped(v1::Refusal::Error error) {
  switch (error) {
    case v1::Refusal::ERROR_INVALID_PARAMETER:
      return {Errc::Invalid, Subject::Request};
    case v1::Refusal::ERROR_UNSUPPORTED_FEATURE:
      return {Errc::Unimplemented, Subject::Feature};
    case v1::Refusal::ERROR_PLATFORM_UNKNOWN:
      return {Errc::NotFound, Subject::Platform};
    case v1::Refusal::ERROR_PLATFORM_INCOMPATIBLE:
      return {Errc::Precondition, Subject::Platform};
    default:
      return {Errc::Invalid, Subject::Definition};
  }
}

}  // namespace

Result<void> check_compatible(const TaskDefinition& definition, const std::string& launch_type) {
  const auto& wanted = definition.message.requires_compatibilities();
  const auto& possible = definition.message.compatibilities();
  const auto lists = [&](const auto& all) {
    return all.empty() || std::find(all.begin(), all.end(), launch_type) != all.end();
  };
  if (lists(possible) && (launch_type != "FARGATE" || lists(wanted))) return {};
  return fail(Errc::Invalid, "Task definition does not support launch_type " + launch_type + ".",
              Subject::Request, "launchType");
}

Result<void> check_supported(const model::RunTaskRequest& request, const std::string& operation) {
  if (request.propagate_tags() == "SERVICE") {
    return fail(Errc::Invalid, "propagateTags SERVICE is not valid for " + operation + ".",
                Subject::Request, "propagateTags");
  }
  if (request.volume_configurations_size() > 0) {
    return fail(Errc::Unimplemented,
                "volumeConfigurations: Berth does not configure volumes at launch.",
                Subject::Feature, "volumeConfigurations");
  }
  return {};
}

Result<void> check_provider_items(const std::vector<model::CapacityProviderStrategyItem>& strategy,
                                  const std::string& member) {
  const auto wrong = [&](std::string text) {
    return fail(Errc::Invalid, std::move(text), Subject::Request, member);
  };
  int bases = 0;
  std::set<std::string> names;
  for (const auto& item : strategy) {
    bases += item.base() > 0 ? 1 : 0;
    if (!names.insert(item.capacity_provider()).second) {
      return wrong("The capacity provider '" + item.capacity_provider() +
                   "' is more than once in the capacity provider strategy.");
    }
  }
  if (bases > 1) {
    return wrong("Only one capacity provider of a capacity provider strategy may have a base.");
  }
  return {};
}

Result<void> check_provider_strategy(
    const std::vector<model::CapacityProviderStrategyItem>& strategy) {
  const bool weighs = std::any_of(strategy.begin(), strategy.end(),
                                  [](const auto& item) { return item.weight() > 0; });
  if (strategy.size() > 1 && !weighs) {
    return fail(Errc::Invalid,
                "At least one capacity provider of a capacity provider strategy must have a weight "
                "above 0.",
                Subject::Request, "capacityProviderStrategy");
  }
  return check_provider_items(strategy, "capacityProviderStrategy");
}

Error nobody_serves(const std::string& launch_type) {
  if (launch_type == "EC2" || launch_type == "EXTERNAL") {
    return {Errc::Precondition, "No Container Instances were found in your cluster.",
            Subject::Request};
  }
  return {Errc::Unimplemented, "No launch type plugin serves the launch type " + launch_type + ".",
          Subject::Feature, "launchType"};
}

Error error_of(const v1::Refusal& refusal) {
  const Mapped as = mapped(refusal.error());
  std::string message = refusal.message().empty() ? "It cannot be run." : refusal.message();
  // What is wrong with the call itself is said in ECS's own words, which scripts match as a whole.
  const bool ecs_words =
      !refusal.message().empty() && (refusal.error() == v1::Refusal::ERROR_INVALID_PARAMETER ||
                                     refusal.error() == v1::Refusal::ERROR_PLATFORM_UNKNOWN);
  if (!ecs_words && message.find(refusal.member()) == std::string::npos) {
    message = refusal.member() + ": " + message;
  }
  return {as.code, std::move(message), as.subject, refusal.member()};
}

v1::PlanRequest plan_request(const TaskDefinition& definition, const model::RunTaskRequest& request,
                             const std::string& launch_type, const std::string& capacity_provider) {
  v1::PlanRequest plan;
  *plan.mutable_definition() = definition.message;
  *plan.mutable_overrides() = request.overrides();
  plan.set_launch_type(launch_type);
  plan.set_capacity_provider(capacity_provider);
  if (request.has_network_configuration()) {
    *plan.mutable_network_configuration() = request.network_configuration();
  }
  plan.set_platform_version(request.platform_version());
  return plan;
}

std::vector<model::PlacementConstraint> constraints_of(const TaskDefinition& definition) {
  std::vector<model::PlacementConstraint> out;
  for (const auto& constraint : definition.message.placement_constraints()) {
    model::PlacementConstraint& one = out.emplace_back();
    one.set_type(constraint.type());
    if (constraint.has_expression()) one.set_expression(constraint.expression());
  }
  return out;
}

std::string group_of(const model::RunTaskRequest& request, const TaskDefinition& definition) {
  return request.group().empty() ? "family:" + definition.id.family.str() : request.group();
}

Launch launch_of(const model::RunTaskRequest& request, const Cluster& cluster,
                 const TaskDefinition& definition) {
  Launch launch;
  launch.group = group_of(request, definition);
  launch.started_by = request.started_by();
  launch.overrides = request.overrides();
  if (request.has_network_configuration()) {
    launch.network_configuration = request.network_configuration();
  }
  launch.enable_execute_command = request.enable_execute_command();
  const auto& constraints = request.placement_constraints();
  const auto& strategies = request.placement_strategy();
  launch.placement_constraints.assign(constraints.begin(), constraints.end());
  launch.placement_strategy.assign(strategies.begin(), strategies.end());
  std::set<std::string> keys;
  const auto add = [&](const ecs::Tag& tag) {
    if (keys.insert(tag.key()).second) launch.tags.push_back(tag);
  };
  for (const ecs::Tag& tag : request.tags()) add(tag);  // the call's own win
  if (request.propagate_tags() == "TASK_DEFINITION") {
    for (const ecs::Tag& tag : definition.tags) add(tag);
  }
  if (request.enable_ecs_managed_tags()) {
    ecs::Tag tag;
    tag.set_key("aws:ecs:clusterName");
    tag.set_value(cluster.name.str());
    add(tag);
  }
  return launch;
}

std::vector<int> split(int count, const std::vector<Share>& shares) {
  std::vector<int> parts(shares.size(), 0);
  std::vector<int> by_weight(shares.size(), 0);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    parts[i] = std::min(count, std::max(0, shares[i].base));
    count -= parts[i];
  }
  for (; count > 0; --count) {
    // The one that is furthest behind its weight; the earlier of equals.
    std::size_t best = shares.size();
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (shares[i].weight <= 0) continue;
      if (best == shares.size() ||
          static_cast<std::int64_t>(by_weight[i] + 1) * shares[best].weight <
              static_cast<std::int64_t>(by_weight[best] + 1) * shares[i].weight) {
        best = i;
      }
    }
    if (best == shares.size()) best = 0;  // weights of zero only: the first takes the rest
    ++by_weight[best];
    ++parts[best];
  }
  return parts;
}

}  // namespace berth::control
