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
// Of one RECOVER: its answer, a report for each task, fits into a payload.
constexpr int kRecoverTasks = 1'000;
constexpr std::size_t kRecoverBytes = 2 << 20;

bool is_task_id(const std::string& id) {
  return id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
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

// Of the tasks after `after`.
v1::RecoverRequest recover_request(const State& state, const PluginName& plugin,
                                   const TaskId& after) {
  v1::RecoverRequest request;
  const auto& ids = state.tasks_by(plugin);
  std::size_t bytes = 0;
  for (auto at = ids.upper_bound(after); at != ids.end(); ++at) {
    const TaskPtr task = state.task(*at);
    if (task->last_status == TaskStatus::Stopped) continue;
    if (request.tasks_size() == kRecoverTasks || bytes > kRecoverBytes) break;
    v1::RecoverTask* one = request.add_tasks();
    one->set_task_id(at->str());
    one->set_node_id(task->node.str());
    if (task->report) one->set_handle(task->report->handle());
    if (task->launch->task_interface) *one->mutable_task_interface() = *task->launch->task_interface;
    bytes += one->ByteSizeLong();
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
  if (const auto at = recovering_.find(plugin); at != recovering_.end()) {
    desk_.alarms().cancel(at->second);
    recovering_.erase(at);
  }
  recover(plugin);
  list_owned(plugin);
}

void Reports::recover(const PluginName& plugin) {
  if (recovering_.emplace(plugin, Alarms::Id()).second) recover_after(plugin, TaskId());
}

void Reports::recover_after(const PluginName& plugin, const TaskId& after) {
  const v1::RecoverRequest request = recover_request(desk_.state(), plugin, after);
  if (request.tasks_size() == 0) {
    recovering_.erase(plugin);
    return;
  }
  const std::uint64_t session = plugins_.session(plugin);
  const TaskId last(request.tasks().rbegin()->task_id());
  plugins_.call({plugin, v1::METHOD_LAUNCH_RECOVER, request.SerializeAsString()},
                [this, plugin, session, after, last,
                 held = held_by(desk_.state(), plugin)](const Result<std::string>& result) {
                  if (session != plugins_.session(plugin)) return;
                  if (!plugins_.is_up(plugin)) {
                    recovering_.erase(plugin);
                    return;
                  }
                  if (result) {
                    recovered(plugin, *result, held);
                    return recover_after(plugin, last);
                  }
                  recovering_[plugin] = desk_.alarms().set(
                      desk_.now() + kRecoverRetry, [this, plugin, session, after] {
                        if (session != plugins_.session(plugin)) return;
                        if (plugins_.is_up(plugin)) return recover_after(plugin, after);
                        recovering_.erase(plugin);
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
  auto listing = std::make_shared<Listing>();
  listing->held = held_by(desk_.state(), plugin);
  list_after(plugin, {}, std::move(listing));
}

void Reports::list_after(const PluginName& plugin, const std::string& after,
                         std::shared_ptr<Listing> listing) {
  v1::ListOwnedRequest request;
  request.set_after(after);
  const std::uint64_t session = plugins_.session(plugin);
  plugins_.call({plugin, v1::METHOD_LAUNCH_LIST_OWNED, request.SerializeAsString()},
                [this, plugin, session, after,
                 listing = std::move(listing)](const Result<std::string>& result) {
                  if (session != plugins_.session(plugin)) return;
                  v1::ListOwnedResponse response;
                  if (!result) {
                    listing_.erase(plugin);
                    return;
                  }
                  std::string last;
                  bool sound = response.ParseFromString(*result);
                  if (sound && response.more()) {
                    if (!response.tasks().empty()) last = response.tasks().rbegin()->task_id();
                    sound = last > after;
                  }
                  if (!sound) {
                    ++faults_;
                    listing_.erase(plugin);
                    return;
                  }
                  take_page(plugin, response, *listing);
                  if (response.more()) return list_after(plugin, last, listing);
                  listing_.erase(plugin);
                  listed(plugin, *listing);
                });
}

void Reports::take_page(const PluginName& plugin, v1::ListOwnedResponse& page, Listing& listing) {
  for (v1::TaskReport& report : *page.mutable_tasks()) {
    const TaskId id(report.task_id());
    listing.there.insert(id);
    if (desk_.state().task(id)) {
      take(plugin, std::move(report));
    } else {
      take_unrecorded(plugin, report);
    }
  }
  for (const std::string& node : page.unreachable_nodes()) listing.unreachable.insert(node);
}

void Reports::listed(const PluginName& plugin, const Listing& listing) {
  for (auto at = unrecorded_.begin(); at != unrecorded_.end();) {
    const bool gone = at->first.first == plugin && listing.there.count(at->first.second) == 0;
    at = gone ? unrecorded_.erase(at) : std::next(at);
  }
  // What should be there and is not is asked for by name before anything follows from it.
  bool missing = false;
  for (const TaskId& id : listing.held) {
    const TaskPtr task = desk_.state().task(id);
    if (!task || task->last_status == TaskStatus::Stopped || listing.there.count(id) != 0) continue;
    if (listing.unreachable.count(task->node.str()) == 0) missing = true;
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
