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
  run->call.operation = "RunTask";
  run->call.request = std::move(command.request);
  const auto refuse = [&](const Error& error) { rooms_.desk.answer(reply, tl::unexpected(error)); };
  const State& state = rooms_.desk.state();
  auto cluster =
      find_cluster(state, run->call.request.cluster(), rooms_.desk.config().default_cluster);
  if (!cluster) return refuse(cluster.error());
  run->call.cluster = *cluster;
  if (known_token(run, reply)) return;
  if (auto ok = check(run->call.request); !ok) return refuse(ok.error());
  auto definition = find_active_definition(state, run->call.request.task_definition());
  if (!definition) return refuse(definition.error());
  run->call.definition = *definition;
  auto routes = rooms_.routes.of_request(run->call.request, **cluster, definition->get());
  if (!routes) return refuse(routes.error());
  const auto zones = rooms_.networks.check(**definition, run->call.request);
  if (!zones) return refuse(zones.error());
  run->routes = std::move(*routes);
  for (Route& route : *run->routes) route.zones = *zones;
  run->call.count = run->call.request.has_count() ? run->call.request.count() : 1;
  run->replies.push_back(std::move(reply));
  if (!run->call.token_key.empty()) tokens_under_way_[run->call.token_key] = run;
  rooms_.routes.plan(**definition, run->call.request, run->routes, [this, run] { place(run); });
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
  return check_supported(request, "RunTask");
}

bool Runs::known_token(const RunPtr& run, const Reply& reply) {
  const std::string& token = run->call.request.client_token();
  if (token.empty()) return false;
  run->call.token_key = "RunTask/" + run->call.cluster->name.str() + "/" + token;
  model::RunTaskRequest bare = run->call.request;
  bare.clear_client_token();
  run->digest = sha256(canonical_bytes(bare));
  Error conflict{Errc::AlreadyExists, "The client token was used before, with other parameters.",
                 Subject::ClientToken, "clientToken"};

  const auto under_way = tokens_under_way_.find(run->call.token_key);
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
  const auto at = tokens.find(run->call.token_key);
  if (at == tokens.end()) return false;
  const ClientToken& known = *at->second;
  const Realm& realm = rooms_.desk.config().realm;
  if (known.request_digest != run->digest) {
    for (const TaskId& id : known.tasks) {
      conflict.ids.push_back(realm.task_arn(run->call.cluster->name, id));
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
      answer.failures.push_back({realm.task_arn(run->call.cluster->name, id), "MISSING", ""});
    }
  }
  rooms_.desk.answer(reply, Answer(std::move(answer)));
  return true;
}

void Runs::place(const RunPtr& run) {
  // The cluster may have been deleted while plans were made.
  const ClusterPtr cluster = rooms_.desk.state().cluster(run->call.cluster->name);
  if (!cluster || !cluster->active) {
    return finish(run, fail(Errc::NotFound, "Cluster not found.", Subject::Cluster,
                            run->call.cluster->name.str()));
  }
  finish(run, place_all(*run));
}

Result<RunTaskAnswer> Runs::place_all(const Run& run) {
  std::vector<Share> shares;
  for (const Route& route : *run.routes) {
    if (route.plans.empty()) return tl::unexpected(route.refusals.front());
    shares.push_back({route.base, route.weight});
  }
  const Launches::Call& call = run.call;
  Launches::Taken taken;
  bool no_nodes = true;
  const std::vector<int> counts = split(call.count, shares);
  for (std::size_t i = 0; i < run.routes->size(); ++i) {
    if (counts[i] == 0) continue;
    const Route& route = (*run.routes)[i];
    const Demand demand = demand_of(*call.cluster, call.definition.get(), call.request, route);
    auto outcome = rooms_.reclaims.place(
        {.demand = demand, .provider = route.capacity_provider, .count = counts[i]});
    if (!outcome) return tl::unexpected(outcome.error());  // expressions: the same for all routes
    no_nodes = no_nodes && outcome->no_nodes;
    rooms_.launches.take(call, route, *outcome, taken);
  }
  if (taken.answer.tasks.empty() && no_nodes) {
    const bool by_provider = !run.routes->front().capacity_provider.empty();
    const Error error{Errc::Precondition,
                      by_provider ? "No Container Instances were found in your capacity provider."
                                  : "No Container Instances were found in your cluster.",
                      Subject::Request};
    rooms_.launches.refuse(call, error);
    return tl::unexpected(error);
  }
  rooms_.launches.close(call, taken);
  record_token(run, taken.answer);
  return std::move(taken.answer);
}

// A call that made nothing may be tried again with the same token.
void Runs::record_token(const Run& run, const RunTaskAnswer& answer) {
  if (run.call.token_key.empty() || answer.tasks.empty()) return;
  ClientToken token;
  token.key = run.call.token_key;
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
  if (!run->call.token_key.empty()) tokens_under_way_.erase(run->call.token_key);
  for (const Reply& reply : run->replies) {
    if (answer) {
      rooms_.desk.answer(reply, Answer(*answer));
    } else {
      rooms_.desk.answer(reply, tl::unexpected(answer.error()));
    }
  }
}

}  // namespace berth::control
