// SPDX-License-Identifier: Apache-2.0
// What plugins say about tasks: reports one by one, and all that they hold when they are asked.
//
// Invariant: what a plugin runs without our knowing is stopped only after two listings, a grace
// period apart, have shown it. Threads: loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "berth/v1/launch.pb.h"
#include "core/control/delivery.hpp"
#include "core/control/plugins.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Reports {
 public:
  Reports(Desk& desk, Plugins& plugins, Tasks& tasks, Delivery& delivery)
      : desk_(desk), plugins_(plugins), tasks_(tasks), delivery_(delivery) {}

  // An EVENT_LAUNCH_TASK.
  void take(const PluginName& plugin, v1::TaskReport report);

  // The plugin has (re)started: asks what became of the tasks recorded for it, then what it holds,
  // and goes on asking the latter now and then, because a report may get lost.
  void plugin_up(const PluginName& plugin);
  // Asks at once; for an inventory that has a gap, too.
  void list_owned(const PluginName& plugin);

  // What came and was of no use: unreadable, of another plugin's task or from another node.
  [[nodiscard]] std::uint64_t faults() const { return faults_; }
  void count_fault() { ++faults_; }

 private:
  // What LIST_OWNED told so far, page by page.
  struct Listing {
    std::set<TaskId> held;  // when it began: taken over by the plugin, and not ended
    std::set<TaskId> there;
    std::set<std::string> unreachable;
  };

  // Where none is under way. Many tasks are asked for in several calls.
  void recover(const PluginName& plugin);
  void recover_after(const PluginName& plugin, const TaskId& after);
  void recovered(const PluginName& plugin, const std::string& bytes, const std::set<TaskId>& held);
  void list_after(const PluginName& plugin, const std::string& after,
                  std::shared_ptr<Listing> listing);
  void take_page(const PluginName& plugin, v1::ListOwnedResponse& page, Listing& listing);
  void listed(const PluginName& plugin, const Listing& listing);
  void take_unrecorded(const PluginName& plugin, const v1::TaskReport& report);
  void audit_later(const PluginName& plugin);

  using Key = std::pair<PluginName, TaskId>;
  Desk& desk_;
  Plugins& plugins_;
  Tasks& tasks_;
  Delivery& delivery_;
  std::map<PluginName, Alarms::Id> audits_;
  std::set<PluginName> listing_;                 // a list-owned is under way
  std::map<PluginName, Alarms::Id> recovering_;  // a recover is under way, or tried again then
  std::map<Key, Instant> unrecorded_;            // when a listing first showed it
  std::uint64_t faults_ = 0;
};

}  // namespace berth::control
