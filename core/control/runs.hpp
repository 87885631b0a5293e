// SPDX-License-Identifier: Apache-2.0
// RunTask: from the request to tasks that are placed, recorded and on their way.
//
// It has two halves. Before: names, routes, plans; this may take several ticks, and nothing is
// reserved meanwhile. After: place, record, answer; one tick, and what changed in between is looked
// at again. Threads: loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/control/delivery.hpp"
#include "core/control/placer.hpp"
#include "core/control/plans.hpp"
#include "core/control/plugins.hpp"
#include "core/control/retention.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Runs {
 public:
  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Plans& plans;
    Placer& placer;
    Tasks& tasks;
    Delivery& delivery;
    Retention& retention;
  };
  explicit Runs(Rooms rooms) : rooms_(rooms) {}

  void run(RunTask command, Reply reply);

 private:
  // One way to run the tasks: by launch type, or by one capacity provider of a strategy.
  struct Route {
    std::string launch_type;
    std::string capacity_provider;
    std::int32_t base = 0;
    std::int32_t weight = 1;
    std::vector<PluginName> plugins;
    std::map<PluginName, Plans::Plan> plans;  // those that can run it
    std::vector<Error> refusals;
  };
  struct Run {
    model::RunTaskRequest request;
    ClusterPtr cluster;
    TaskDefinitionPtr definition;
    std::vector<Route> routes;
    int plans_awaited = 0;
    std::string token_key;  // empty: no clientToken
    std::string digest;
    std::vector<Reply> replies;
  };
  using RunPtr = std::shared_ptr<Run>;

  [[nodiscard]] Result<void> check(const model::RunTaskRequest& request) const;
  // True where the token has answered or taken over the reply.
  [[nodiscard]] bool known_token(const RunPtr& run, const Reply& reply);
  [[nodiscard]] Result<std::vector<Route>> routes_of(const model::RunTaskRequest& request,
                                                     const Cluster& cluster,
                                                     const TaskDefinition& definition) const;
  void ask_for_plans(const RunPtr& run);
  void place(const RunPtr& run);
  [[nodiscard]] Result<RunTaskAnswer> place_all(const Run& run);
  [[nodiscard]] Result<Placer::Outcome> place_on(const Run& run, const Route& route, int count);
  [[nodiscard]] TaskPtr make_task(const Run& run, const Route& route, const Placer::Place& place);
  void record_token(const Run& run, const RunTaskAnswer& answer);
  void finish(const RunPtr& run, const Result<RunTaskAnswer>& answer);

  Rooms rooms_;
  std::map<std::string, std::weak_ptr<Run>> tokens_under_way_;
};

}  // namespace berth::control
