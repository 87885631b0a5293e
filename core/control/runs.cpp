// SPDX-License-Identifier: Apache-2.0
#include "core/control/runs.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/control/canonical.hpp"
#include "core/control/digest.hpp"
#include "core/control/names.hpp"
#include "core/control/run_parts.hpp"

namespace berth::control {
namespace {

constexpr int kMaxCount = 10;

}  // namespace

void Runs::run(RunTask command, Reply reply) {
  auto run = std::make_shared<Run>();
  run->request = std::move(command.request);
  const auto refuse = [&](const Error& error) { rooms_.desk.answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  auto cluster = find_cluster(state, run->request.cluster(), rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  run->cluster = *cluster;
  if (known_token(run, reply)) return;
  if (auto ok = check(run->request); !ok) return refuse(ok.error());
  auto definition = find_active_definition(state, run->request.task_definition());
  if (!definition) return refuse(definition.error());
  run->definition = *definition;
  auto routes = routes_of(run->request, **cluster, **definition);
  if (!routes) return refuse(routes.error());
  run->routes = std::move(*routes);
  run->replies.push_back(std::move(reply));
  if (!run->token_key.empty()) tokens_under_way_[run->token_key] = run;
  ask_for_plans(run);
}

Result<void> Runs::check(const model::RunTaskRequest& request) const {
  if (request.has_count() && (request.count() < 1 || request.count() > kMaxCount)) {
    return fail(Errc::Invalid, "count should be between 1 and 10.", Subject::Request, "count");
  }
  if (request.has_launch_type() && request.capacity_provider_strategy_size() > 0) {
    return fail(Errc::Invalid,
                "Specifying both a launch type and a capacity provider strategy is not supported. "
                "Remove one and try again.",
                Subject::Request, "capacityProviderStrategy");
  }
  if (request.propagate_tags() == "SERVICE") {
    return fail(Errc::Invalid, "propagateTags SERVICE is not valid for RunTask.", Subject::Request,
                "propagateTags");
  }
  if (request.volume_configurations_size() > 0) {
    return fail(Errc::Unimplemented, "volumeConfigurations: Berth does not configure volumes at launch.",
                Subject::Feature, "volumeConfigurations");
  }
  return {};
}

bool Runs::known_token(const RunPtr& run, const Reply& reply) {
  const std::string& token = run->request.client_token();
  if (token.empty()) return false;
  run->token_key = "RunTask/" + run->cluster->name.str() + "/" + token;
  model::RunTaskRequest bare = run->request;
  bare.clear_client_token();
  run->digest = sha256(canonical_bytes(bare));
  Error conflict{Errc::AlreadyExists, "The client token was used before, with other parameters.",
                 Subject::ClientToken, "clientToken"};

  const auto under_way = tokens_under_way_.find(run->token_key);
  if (under_way != tokens_under_way_.end()) {
    if (const RunPtr first = under_way->second.lock()) {
      if (first->digest == run->digest) {
        first->replies.push_back(reply);
      } else {
        rooms_.desk.answer(reply, tl::unexpected(std::move(conflict)));
      }
      return true;
    }
  }
  const auto& tokens = rooms_.desk.state().tokens();
  const auto at = tokens.find(run->token_key);
  if (at == tokens.end()) return false;
  const ClientToken& known = *at->second;
  const Realm& realm = rooms_.desk.config().realm;
  if (known.request_digest != run->digest) {
    for (const TaskId& id : known.tasks) {
      conflict.ids.push_back(realm.task_arn(run->cluster->name, id));
    }
    rooms_.desk.answer(reply, tl::unexpected(std::move(conflict)));
    return true;
  }
  RunTaskAnswer answer;
  for (const model::Failure& failure : known.failures) {
    answer.failures.push_back({failure.arn(), failure.reason(), failure.detail()});
  }
  for (const TaskId& id : known.tasks) {
    if (const TaskPtr task = rooms_.desk.state().task(id)) {
      answer.tasks.push_back(task);
    } else {  // it was made, has ended, and its record's time is over
      answer.failures.push_back({realm.task_arn(run->cluster->name, id), "MISSING", ""});
    }
  }
  rooms_.desk.answer(reply, Answer(std::move(answer)));
  return true;
}

Result<std::vector<Runs::Route>> Runs::routes_of(const model::RunTaskRequest& request,
                                                 const Cluster& cluster,
                                                 const TaskDefinition& definition) const {
  const Plugins& plugins = rooms_.plugins;
  std::vector<model::CapacityProviderStrategyItem> strategy(
      request.capacity_provider_strategy().begin(), request.capacity_provider_strategy().end());
  if (strategy.empty() && !request.has_launch_type()) {
    strategy = cluster.default_capacity_provider_strategy;
  }
  std::vector<Route> routes;
  if (strategy.empty()) {
    Route route;
    route.launch_type = request.has_launch_type() ? request.launch_type() : "EC2";
    if (auto ok = check_compatible(definition, route.launch_type); !ok) {
      return tl::unexpected(ok.error());
    }
    route.plugins = plugins.serving_launch_type(route.launch_type);
    if (route.plugins.empty()) return tl::unexpected(nobody_serves(route.launch_type));
    routes.push_back(std::move(route));
    return routes;
  }
  for (const auto& item : strategy) {
    const std::string& name = item.capacity_provider();
    const auto& known = cluster.capacity_providers;
    Route route;
    route.plugins = plugins.serving_provider(name);
    if (route.plugins.empty() || std::find(known.begin(), known.end(), name) == known.end()) {
      return fail(Errc::Invalid,
                  "The capacity provider '" + name + "' is not associated with the cluster.",
                  Subject::Request, "capacityProviderStrategy");
    }
    route.capacity_provider = name;
    const auto& launch_types = plugins.find(route.plugins.front())->about.launch_types;
    route.launch_type = launch_types.empty() ? "EC2" : launch_types.front();
    route.base = item.base();
    route.weight = item.has_weight() ? item.weight() : 1;
    routes.push_back(std::move(route));
  }
  return routes;
}

void Runs::ask_for_plans(const RunPtr& run) {
  struct Question {
    std::size_t route;
    PluginName plugin;
    v1::PlanRequest request;
  };
  std::vector<Question> questions;
  for (std::size_t i = 0; i < run->routes.size(); ++i) {
    const Route& route = run->routes[i];
    for (const PluginName& plugin : route.plugins) {
      questions.push_back({i, plugin,
                           plan_request(*run->definition, run->request, route.launch_type,
                                        route.capacity_provider)});
    }
  }
  run->plans_awaited = static_cast<int>(questions.size());
  for (const Question& question : questions) {
    rooms_.plans.get(
        question.plugin, question.request,
        [this, run, i = question.route, plugin = question.plugin](Result<Plans::Plan> plan) {
          Route& route = run->routes[i];
          if (!plan) {
            route.refusals.push_back(plan.error());
          } else if ((*plan)->refusals_size() > 0) {
            route.refusals.push_back(error_of((*plan)->refusals(0)));
          } else {
            route.plans[plugin] = std::move(*plan);
          }
          if (--run->plans_awaited == 0) place(run);
        });
  }
}

void Runs::place(const RunPtr& run) {
  // The cluster may have been deleted while plans were made.
  const ClusterPtr cluster = rooms_.desk.state().cluster(run->cluster->name);
  if (!cluster || !cluster->active) {
    return finish(run, fail(Errc::NotFound, "Cluster not found.", Subject::Cluster,
                            run->cluster->name.str()));
  }
  finish(run, place_all(*run));
}

Result<RunTaskAnswer> Runs::place_all(const Run& run) {
  const int count = run.request.has_count() ? run.request.count() : 1;
  std::vector<Share> shares;
  for (const Route& route : run.routes) {
    if (route.plans.empty()) return tl::unexpected(route.refusals.front());
    shares.push_back({route.base, route.weight});
  }
  RunTaskAnswer answer;
  bool no_nodes = true;
  const std::vector<int> counts = split(count, shares);
  for (std::size_t i = 0; i < run.routes.size(); ++i) {
    if (counts[i] == 0) continue;
    const Route& route = run.routes[i];
    auto outcome = place_on(run, route, counts[i]);
    if (!outcome) return tl::unexpected(outcome.error());  // expressions: the same for all routes
    no_nodes = no_nodes && outcome->no_nodes;
    for (const Placer::Place& place : outcome->places) {
      answer.tasks.push_back(make_task(run, route, place));
    }
    answer.failures.insert(answer.failures.end(), outcome->failures.begin(),
                           outcome->failures.end());
  }
  if (answer.tasks.empty() && no_nodes) {
    const bool by_provider = !run.routes.front().capacity_provider.empty();
    return fail(Errc::Precondition,
                by_provider ? "No Container Instances were found in your capacity provider."
                            : "No Container Instances were found in your cluster.",
                Subject::Request);
  }
  record_token(run, answer);
  return answer;
}

Result<Placer::Outcome> Runs::place_on(const Run& run, const Route& route, int count) {
  Placer::Demand demand;
  demand.cluster = run.cluster->name;
  demand.group = group_of(run.request, *run.definition);
  demand.capacity_provider = route.capacity_provider;
  for (const auto& [plugin, plan] : route.plans) {
    demand.needs.emplace_back(plugin, plan->requirement());
  }
  for (const auto& constraint : run.definition->message.placement_constraints()) {
    model::PlacementConstraint& one = demand.constraints.emplace_back();
    one.set_type(constraint.type());
    one.set_expression(constraint.expression());
  }
  const auto& constraints = run.request.placement_constraints();
  const auto& strategies = run.request.placement_strategy();
  demand.constraints.insert(demand.constraints.end(), constraints.begin(), constraints.end());
  demand.strategies.assign(strategies.begin(), strategies.end());
  return rooms_.placer.place(demand, count, rooms_.desk.rng().next());
}

TaskPtr Runs::make_task(const Run& run, const Route& route, const Placer::Place& place) {
  const Plans::Plan& plan = route.plans.at(place.plugin);
  auto launch = std::make_shared<Launch>(launch_of(run.request, *run.cluster, *run.definition));
  launch->launch_type = route.launch_type;
  launch->capacity_provider = route.capacity_provider;
  launch->platform_version = plan->platform_version();
  launch->platform_family = plan->platform_family();
  launch->requirement = plan->requirement();
  launch->allocation = place.allocation;
  launch->client_token_key = run.token_key;
  launch->created_at = rooms_.desk.now();
  for (int i = 0; i < run.definition->message.container_definitions_size(); ++i) {
    launch->container_ids.push_back(rooms_.desk.rng().uuid());
  }
  Task task;
  task.id = TaskId(rooms_.desk.rng().hex_id());
  task.cluster = run.cluster->name;
  task.definition = run.definition;
  task.plugin = place.plugin;
  task.node = place.node;
  task.connectivity_at = launch->created_at;
  const bool prepares = rooms_.plugins.find(place.plugin)->about.hidden_nodes ||
                        run.definition->message.network_mode() == "awsvpc";
  task.last_status = prepares ? TaskStatus::Provisioning : TaskStatus::Pending;
  task.launch = std::move(launch);
  const TaskId id = task.id;
  rooms_.tasks.create(std::move(task), place);
  rooms_.delivery.pursue(id);
  return rooms_.desk.state().task(id);
}

// A call that made nothing may be tried again with the same token.
void Runs::record_token(const Run& run, const RunTaskAnswer& answer) {
  if (run.token_key.empty() || answer.tasks.empty()) return;
  ClientToken token;
  token.key = run.token_key;
  token.request_digest = run.digest;
  token.made_at = rooms_.desk.now();
  for (const TaskPtr& task : answer.tasks) token.tasks.push_back(task->id);
  for (const Failure& failure : answer.failures) {
    model::Failure& one = token.failures.emplace_back();
    one.set_arn(failure.arn);
    one.set_reason(failure.reason);
    one.set_detail(failure.detail);
  }
  rooms_.retention.token_made(token);
  rooms_.desk.save(std::move(token));
}

void Runs::finish(const RunPtr& run, const Result<RunTaskAnswer>& answer) {
  if (!run->token_key.empty()) tokens_under_way_.erase(run->token_key);
  for (const Reply& reply : run->replies) {
    if (answer) {
      rooms_.desk.answer(reply, Answer(*answer));
    } else {
      rooms_.desk.answer(reply, tl::unexpected(answer.error()));
    }
  }
}

}  // namespace berth::control
