// SPDX-License-Identifier: Apache-2.0
#include "core/control/reports.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "berth/v1/plugin.pb.h"

namespace berth::control {
namespace {

using std::chrono::seconds;

constexpr milliseconds kRecoverRetry = seconds(5);

bool is_task_id(const std::string& id) {
  return id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

template <typename Repeated>
bool contains(const Repeated& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// Tasks that the plugin has taken over and that have not ended.
std::set<TaskId> held_by(const State& state, const PluginName& plugin) {
  std::set<TaskId> held;
  for (const TaskId& id : state.tasks_by(plugin)) {
    const TaskPtr task = state.task(id);
    if (task->start_acknowledged && task->last_status != TaskStatus::Stopped) held.insert(id);
  }
  return held;
}

v1::RecoverRequest recover_request(const State& state, const PluginName& plugin) {
  v1::RecoverRequest request;
  for (const TaskId& id : state.tasks_by(plugin)) {
    const TaskPtr task = state.task(id);
    if (task->last_status == TaskStatus::Stopped) continue;
    v1::RecoverTask* one = request.add_tasks();
    one->set_task_id(id.str());
    one->set_node_id(task->node.str());
    if (task->report) one->set_handle(task->report->handle());
  }
  return request;
}

}  // namespace

void Reports::take(const PluginName& plugin, v1::TaskReport report) {
  const TaskId id(report.task_id());
  const TaskPtr task = desk_.state().task(id);
  if (!task) {
    ++faults_;  // a listing will show it, if it is there
    return;
  }
  if (task->plugin != plugin ||
      (!report.node_id().empty() && report.node_id() != task->node.str())) {
    ++faults_;
    return;
  }
  if (task->last_status == TaskStatus::Stopped) {
    const bool runs = report.phase() != v1::TASK_PHASE_STOPPED &&
                      report.phase() != v1::TASK_PHASE_UNSPECIFIED &&
                      (!task->report || report.sequence() > task->report->sequence());
    if (runs) delivery_.stop_stray({plugin, id.str(), task->node.str()});
    return;
  }
  tasks_.apply(id, std::move(report));
  delivery_.pursue(id);
}

void Reports::plugin_up(const PluginName& plugin) {
  listing_.erase(plugin);
  recover(plugin);
  list_owned(plugin);
}

void Reports::recover(const PluginName& plugin) {
  const v1::RecoverRequest request = recover_request(desk_.state(), plugin);
  if (request.tasks_size() == 0) return;
  const std::uint64_t session = plugins_.session(plugin);
  plugins_.call({plugin, v1::METHOD_LAUNCH_RECOVER, request.SerializeAsString()},
                [this, plugin, session,
                 held = held_by(desk_.state(), plugin)](const Result<std::string>& result) {
                  if (session != plugins_.session(plugin) || !plugins_.is_up(plugin)) return;
                  if (result) return recovered(plugin, *result, held);
                  desk_.alarms().set(desk_.now() + kRecoverRetry, [this, plugin, session] {
                    if (session == plugins_.session(plugin) && plugins_.is_up(plugin)) {
                      recover(plugin);
                    }
                  });
                });
}

void Reports::recovered(const PluginName& plugin, const std::string& bytes,
                        const std::set<TaskId>& held) {
  v1::RecoverResponse response;
  if (!response.ParseFromString(bytes)) {
    ++faults_;
    return;
  }
  for (v1::TaskReport& report : *response.mutable_known()) take(plugin, std::move(report));
  for (const std::string& text : response.unknown()) {
    const TaskId id(text);
    const TaskPtr task = desk_.state().task(id);
    // One that was taken over only after the question was sent says nothing by being unknown to the
    // answer.
    if (!task || task->plugin != plugin) continue;
    if (held.count(id) != 0 || !task->start_acknowledged) delivery_.missing(id);
  }
}

void Reports::list_owned(const PluginName& plugin) {
  audit_later(plugin);
  if (!plugins_.is_up(plugin) || !listing_.insert(plugin).second) return;
  const std::uint64_t session = plugins_.session(plugin);
  plugins_.call({plugin, v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedRequest().SerializeAsString()},
                [this, plugin, session,
                 held = held_by(desk_.state(), plugin)](const Result<std::string>& result) {
                  if (session != plugins_.session(plugin)) return;
                  listing_.erase(plugin);
                  if (result) listed(plugin, *result, held);
                });
}

void Reports::listed(const PluginName& plugin, const std::string& bytes,
                     const std::set<TaskId>& held) {
  v1::ListOwnedResponse response;
  if (!response.ParseFromString(bytes)) {
    ++faults_;
    return;
  }
  std::set<TaskId> there;
  for (v1::TaskReport& report : *response.mutable_tasks()) {
    const TaskId id(report.task_id());
    there.insert(id);
    if (desk_.state().task(id)) {
      take(plugin, std::move(report));
    } else {
      take_unrecorded(plugin, report);
    }
  }
  for (auto at = unrecorded_.begin(); at != unrecorded_.end();) {
    const bool gone = at->first.first == plugin && there.count(at->first.second) == 0;
    at = gone ? unrecorded_.erase(at) : std::next(at);
  }
  // What should be there and is not is asked for by name before anything follows from it.
  bool missing = false;
  for (const TaskId& id : held) {
    const TaskPtr task = desk_.state().task(id);
    if (!task || task->last_status == TaskStatus::Stopped || there.count(id) != 0) continue;
    if (!contains(response.unreachable_nodes(), task->node.str())) missing = true;
  }
  if (missing) recover(plugin);
  delivery_.pursue_all(plugin);
}

void Reports::take_unrecorded(const PluginName& plugin, const v1::TaskReport& report) {
  if (!is_task_id(report.task_id())) {
    ++faults_;
    return;
  }
  const Key key{plugin, TaskId(report.task_id())};
  const auto [seen, first] = unrecorded_.emplace(key, desk_.now());
  if (first || desk_.now() - seen->second < desk_.config().unrecorded_task_grace) return;
  unrecorded_.erase(seen);
  if (report.phase() != v1::TASK_PHASE_STOPPED) {
    delivery_.stop_stray({plugin, report.task_id(), report.node_id()});
    return;
  }
  v1::ForgetTasksRequest request;
  request.add_task_ids(report.task_id());
  plugins_.call({plugin, v1::METHOD_LAUNCH_FORGET, request.SerializeAsString()},
                [](const Result<std::string>&) {});
}

void Reports::audit_later(const PluginName& plugin) {
  desk_.alarms().cancel(audits_[plugin]);
  audits_[plugin] = desk_.alarms().set(desk_.now() + desk_.config().audit_interval,
                                       [this, plugin] { list_owned(plugin); });
}

}  // namespace berth::control
