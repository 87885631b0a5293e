// SPDX-License-Identifier: Apache-2.0
// Brings what is decided about tasks to their plugins: starts and stops, until they are known to
// have arrived.
//
// Invariants: 1. At most one call about a task is under way. 2. A call that was not answered is
// taken for one that may have happened: it is repeated, and only the plugin's word ends it. 3. No
// start is sent for a task that is to stop. Threads: loop.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/control/plugins.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Delivery {
 public:
  Delivery(Desk& desk, Plugins& plugins, Tasks& tasks)
      : desk_(desk), plugins_(plugins), tasks_(tasks) {}

  // The task was there before this process: its start may have been sent.
  void remember(const TaskId& id) { posts_[id].sent = true; }
  // Sees to it that the task's plugin hears what it must hear now, if anything.
  void pursue(const TaskId& id);
  // As pursue for all of a plugin's tasks; stops that it took before are told again.
  void pursue_all(const PluginName& plugin);
  // As pursue_all for a plugin that has begun anew: what it asked for before holds no more.
  void plugin_up(const PluginName& plugin);
  // The plugin says it does not have this task. Believed only where no call about it is under way.
  void missing(const TaskId& id);
  // The plugin still runs what is recorded as STOPPED, or what has no record and was confirmed.
  struct Stray {
    PluginName plugin;
    std::string task_id;
    std::string node_id;
  };
  void stop_stray(const Stray& stray);
  void forget(const TaskId& id) { posts_.erase(id); }

 private:
  struct Post {
    bool in_flight = false;
    bool sent = false;        // a start has left at some time
    bool stop_taken = false;  // the plugin has said yes to a stop
    int failures = 0;         // in a row
    Instant not_before{};     // asked for by the plugin, of starts or
    bool wait_is_of_stops = false;
    Alarms::Id retry{};
  };
  void send_start(const TaskPtr& task, Post& post);
  void start_answered(const TaskId& id, const Result<std::string>& result);
  void send_stop(const TaskPtr& task, Post& post);
  void stop_answered(const TaskId& id, const Result<std::string>& result);
  // `reason`: why it would not run; without one it was there and is gone, or has not begun.
  using Reason = std::optional<Tasks::Reason>;
  void confirm_missing(const TaskPtr& task, const Reason& reason);
  void missing_answered(const TaskId& id, const Reason& reason, const Result<std::string>& result);
  // After a wait that grows with each failure, and is no shorter than what was asked for.
  void retry_later(const TaskPtr& task, Post& post, milliseconds asked = milliseconds(0));

  Desk& desk_;
  Plugins& plugins_;
  Tasks& tasks_;
  std::map<TaskId, Post> posts_;
};

}  // namespace berth::control
