// SPDX-License-Identifier: Apache-2.0
// What launch type plugins say about a way to run a definition: what it needs, or why it cannot be.
//
// A plan is a pure function of its request, so each is asked for once and kept until its plugin
// starts anew. Threads: loop.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "core/control/plugins.hpp"

namespace berth::control {

class Plans {
 public:
  Plans(Desk& desk, Plugins& plugins) : desk_(desk), plugins_(plugins) {}

  using Plan = std::shared_ptr<const v1::PlanResponse>;
  // Called once: at once where the plan is known, else in a later tick.
  // Errors: the call's own; Internal, Subject::Plugin, for a plan that makes no sense.
  using Done = std::function<void(Result<Plan>)>;
  void get(const PluginName& plugin, const v1::PlanRequest& request, Done done);

  void plugin_up(const PluginName& plugin);

 private:
  using Key = std::pair<PluginName, std::string>;  // the request's bytes
  void answered(const Key& key, const Result<std::string>& result);
  void keep(const Key& key, Plan plan);

  Desk& desk_;
  Plugins& plugins_;
  std::map<Key, Plan> known_;
  std::deque<Key> oldest_first_;
  std::map<Key, std::vector<Done>> asked_;
};

}  // namespace berth::control
