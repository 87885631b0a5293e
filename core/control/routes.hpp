// SPDX-License-Identifier: Apache-2.0
// The ways to run tasks that a request allows, and what the plugins on each way say they need.
//
// A plan may take several ticks; nothing is reserved meanwhile. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/control/demand.hpp"
#include "core/control/plans.hpp"
#include "core/control/plugins.hpp"

namespace berth::control {

// One way to run the tasks: by launch type, or by one capacity provider of a strategy.
struct Route {
  std::string launch_type;
  std::string capacity_provider;
  std::int32_t base = 0;
  std::int32_t weight = 1;
  std::vector<PluginName> plugins;
  std::map<PluginName, Plans::Plan> plans;  // those that can run it
  std::vector<Error> refusals;
  std::vector<std::string> zones{};  // in which its tasks may run; empty: any
  bool pooled = false;               // its plugins show none of their nodes
};
using RoutesPtr = std::shared_ptr<std::vector<Route>>;

class Routes {
 public:
  Routes(Plugins& plugins, Plans& plans) : plugins_(plugins), plans_(plans) {}

  // `definition` is null where a plan is asked for bare needs.
  // Errors: Invalid of Subject::Request, Precondition or Unimplemented where nobody serves it.
  [[nodiscard]] Result<RoutesPtr> of_request(const model::RunTaskRequest& request,
                                             const Cluster& cluster,
                                             const TaskDefinition* definition) const;
  // Whether its tasks go where nobody sees the nodes: to pools.
  [[nodiscard]] bool is_pooled(const Route& route) const;
  // The way to run tasks on this plugin's nodes that are named one by one: as EC2 where it serves
  // that.
  [[nodiscard]] Route of_plugin(const PluginName& plugin) const;

  // Has the plans made. `done` is called once: at once where all are known, else in a later tick.
  void plan(const TaskDefinition& definition, const model::RunTaskRequest& request,
            const RoutesPtr& routes, std::function<void()> done);

 private:
  Plugins& plugins_;
  Plans& plans_;
};

// What tasks of the definition (null: of bare needs) ask of placement on this way.
[[nodiscard]] Demand demand_of(const Cluster& cluster, const TaskDefinition* definition,
                               const model::RunTaskRequest& request, const Route& route);

}  // namespace berth::control
