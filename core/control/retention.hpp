// SPDX-License-Identifier: Apache-2.0
// How long what has ended is kept: stopped tasks and client tokens.
//
// A stopped task's plugin is told to forget it when its time is over, so that its logs can be read
// until then; the record goes once the plugin has agreed. Threads: loop.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "core/control/alarms.hpp"
#include "core/control/plugins.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Retention {
 public:
  Retention(Desk& desk, Plugins& plugins, Tasks& tasks)
      : desk_(desk), plugins_(plugins), tasks_(tasks) {}

  void restore();
  void task_stopped(const TaskId& id);
  void token_made(const ClientToken& token);
  void plugin_up(const PluginName& plugin) { forget_due(plugin); }

 private:
  void keep_until(const TaskId& id, Instant at);
  void forget_due(const PluginName& plugin);
  void erase(const PluginName& plugin, const TaskId& id);
  void forgotten(const PluginName& plugin, const std::vector<TaskId>& ids, bool agreed);

  Desk& desk_;
  Plugins& plugins_;
  Tasks& tasks_;
  // Their time is over, the plugin has not agreed yet; with the alarm that ends all patience with
  // it.
  std::map<PluginName, std::map<TaskId, Alarms::Id>> due_;
  std::set<PluginName> asking_;
};

}  // namespace berth::control
