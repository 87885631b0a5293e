// SPDX-License-Identifier: Apache-2.0
#include "core/control/routes.hpp"

#include <algorithm>
#include <utility>

#include "core/control/run_parts.hpp"

namespace berth::control {
namespace {

// Nobody can say of nodes that nobody sees where among them a task is to go.
Result<void> check_placement(const Route& route, const model::RunTaskRequest& request) {
  if (!route.pooled) return {};
  const auto refused = [&](const std::string& what, const char* member) {
    return fail(Errc::Invalid,
                what + " are not supported with " + route.launch_type + " launch type.",
                Subject::Request, member);
  };
  if (request.placement_constraints_size() > 0) {
    return refused("Placement constraints", "placementConstraints");
  }
  if (request.placement_strategy_size() > 0) {
    return refused("Placement strategies", "placementStrategy");
  }
  return {};
}

}  // namespace

Result<RoutesPtr> Routes::of_request(const model::RunTaskRequest& request, const Cluster& cluster,
                                     const TaskDefinition* definition) const {
  std::vector<model::CapacityProviderStrategyItem> strategy(
      request.capacity_provider_strategy().begin(), request.capacity_provider_strategy().end());
  if (strategy.empty() && !request.has_launch_type()) {
    strategy = cluster.default_capacity_provider_strategy;
  }
  auto routes = std::make_shared<std::vector<Route>>();
  if (strategy.empty()) {
    Route route;
    route.launch_type = request.has_launch_type() ? request.launch_type() : "EC2";
    if (definition != nullptr) {
      if (auto ok = check_compatible(*definition, route.launch_type); !ok) {
        return tl::unexpected(ok.error());
      }
    }
    route.plugins = plugins_.serving_launch_type(route.launch_type);
    if (route.plugins.empty()) return tl::unexpected(nobody_serves(route.launch_type));
    route.pooled = is_pooled(route);
    if (auto fits = check_placement(route, request); !fits) return tl::unexpected(fits.error());
    routes->push_back(std::move(route));
    return routes;
  }
  if (auto sound = check_provider_strategy(strategy); !sound) return tl::unexpected(sound.error());
  for (const auto& item : strategy) {
    const std::string& name = item.capacity_provider();
    const auto& known = cluster.capacity_providers;
    Route route;
    route.plugins = plugins_.serving_provider(name);
    if (route.plugins.empty() || std::find(known.begin(), known.end(), name) == known.end()) {
      return fail(Errc::Invalid,
                  "The capacity provider '" + name + "' is not associated with the cluster.",
                  Subject::Request, "capacityProviderStrategy");
    }
    route.capacity_provider = name;
    const auto& launch_types = plugins_.find(route.plugins.front())->about.launch_types;
    route.launch_type = launch_types.empty() ? "EC2" : launch_types.front();
    route.base = item.base();
    route.weight = item.weight();
    if (definition != nullptr) {
      if (auto ok = check_compatible(*definition, route.launch_type); !ok) {
        return tl::unexpected(ok.error());
      }
    }
    route.pooled = is_pooled(route);
    if (auto fits = check_placement(route, request); !fits) return tl::unexpected(fits.error());
    if (!routes->empty() && routes->front().pooled != route.pooled) {
      return fail(Errc::Invalid,
                  "A capacity provider strategy cannot contain a mix of capacity providers using "
                  "Auto Scaling groups and Fargate providers. Specify one or the other and try "
                  "again.",
                  Subject::Request, "capacityProviderStrategy");
    }
    routes->push_back(std::move(route));
  }
  return routes;
}

bool Routes::is_pooled(const Route& route) const {
  return std::all_of(route.plugins.begin(), route.plugins.end(), [&](const PluginName& name) {
    return plugins_.find(name)->about.hidden_nodes;
  });
}

Route Routes::of_plugin(const PluginName& plugin) const {
  Route route;
  route.launch_type = "EC2";
  route.plugins = {plugin};
  if (const Plugins::Plugin* known = plugins_.find(plugin)) {
    const auto& types = known->about.launch_types;
    const bool as_ec2 = std::find(types.begin(), types.end(), "EC2") != types.end();
    if (!as_ec2 && !types.empty()) route.launch_type = types.front();
  }
  return route;
}

void Routes::plan(const TaskDefinition& definition, const model::RunTaskRequest& request,
                  const RoutesPtr& routes, std::function<void()> done) {
  struct Question {
    std::size_t route;
    PluginName plugin;
    v1::PlanRequest request;
  };
  std::vector<Question> questions;
  for (std::size_t i = 0; i < routes->size(); ++i) {
    const Route& route = (*routes)[i];
    for (const PluginName& plugin : route.plugins) {
      questions.push_back(
          {i, plugin,
           plan_request(definition, request, route.launch_type, route.capacity_provider)});
    }
  }
  if (questions.empty()) return done();
  const auto awaited = std::make_shared<std::size_t>(questions.size());
  for (const Question& question : questions) {
    plans_.get(question.plugin, question.request,
               [routes, awaited, done, i = question.route,
                plugin = question.plugin](Result<Plans::Plan> plan) {
                 Route& route = (*routes)[i];
                 if (!plan) {
                   route.refusals.push_back(plan.error());
                 } else if ((*plan)->refusals_size() > 0) {
                   route.refusals.push_back(error_of((*plan)->refusals(0)));
                 } else {
                   route.plans[plugin] = std::move(*plan);
                 }
                 if (--*awaited == 0) done();
               });
  }
}

Demand demand_of(const Cluster& cluster, const TaskDefinition* definition,
                 const model::RunTaskRequest& request, const Route& route) {
  Demand demand;
  demand.cluster = cluster.name;
  demand.group = definition != nullptr ? group_of(request, *definition) : request.group();
  // A pool's nodes serve every provider of its plugin.
  if (!route.pooled) demand.capacity_provider = route.capacity_provider;
  demand.zones = route.zones;
  demand.pooled = route.pooled;
  for (const auto& [plugin, plan] : route.plans) {
    demand.needs.emplace_back(plugin, plan->requirement());
  }
  const auto& constraints = request.placement_constraints();
  const auto& strategies = request.placement_strategy();
  if (definition != nullptr) demand.constraints = constraints_of(*definition);
  demand.constraints.insert(demand.constraints.end(), constraints.begin(), constraints.end());
  demand.strategies.assign(strategies.begin(), strategies.end());
  return demand;
}

}  // namespace berth::control
