// SPDX-License-Identifier: Apache-2.0
#include "core/control/retention.hpp"

#include <algorithm>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::control {
namespace {

constexpr milliseconds kForgetRetry = std::chrono::minutes(1);
// A plugin that never comes back must not keep its tasks' records for ever.
constexpr milliseconds kPatience = std::chrono::hours(24);
constexpr std::size_t kMaxIdsPerCall = 1000;

}  // namespace

void Retention::restore() {
  for (const auto& [id, task] : desk_.state().tasks()) {
    if (task->last_status != TaskStatus::Stopped) continue;
    keep_until(id, task->end_recorded_at.value_or(desk_.now()) +
                       desk_.config().stopped_task_retention);
  }
  for (const auto& [key, token] : desk_.state().tokens()) token_made(*token);
}

// From now on, not from the reported end: that may be long ago when the report comes.
void Retention::task_stopped(const TaskId& id) {
  keep_until(id, desk_.now() + desk_.config().stopped_task_retention);
}

void Retention::token_made(const ClientToken& token) {
  desk_.alarms().set(token.made_at + desk_.config().token_retention,
                     [this, key = token.key] { desk_.erase_token(key); });
}

void Retention::keep_until(const TaskId& id, Instant at) {
  desk_.alarms().set(at, [this, id, at] {
    const TaskPtr task = desk_.state().task(id);
    if (!task) return;
    const PluginName plugin = task->plugin;
    due_[plugin][id] =
        desk_.alarms().set(at + kPatience, [this, id, plugin] { erase(plugin, id); });
    desk_.input([this, plugin] { forget_due(plugin); });  // one call for all of now
  });
}

void Retention::erase(const PluginName& plugin, const TaskId& id) {
  auto& due = due_[plugin];
  if (const auto at = due.find(id); at != due.end()) {
    desk_.alarms().cancel(at->second);
    due.erase(at);
  }
  if (desk_.state().task(id)) tasks_.erase(id);
}

void Retention::forget_due(const PluginName& plugin) {
  const auto at = due_.find(plugin);
  if (at == due_.end() || at->second.empty() || !plugins_.is_up(plugin)) return;
  if (!asking_.insert(plugin).second) return;
  v1::ForgetTasksRequest request;
  std::vector<TaskId> ids;
  for (const auto& [id, patience] : at->second) {
    if (ids.size() == kMaxIdsPerCall) break;
    ids.push_back(id);
    request.add_task_ids(id.str());
  }
  plugins_.call({plugin, v1::METHOD_LAUNCH_FORGET, request.SerializeAsString()},
                [this, plugin, ids](const Result<std::string>& result) {
                  asking_.erase(plugin);
                  forgotten(plugin, ids, result.has_value());
                });
}

void Retention::forgotten(const PluginName& plugin, const std::vector<TaskId>& ids, bool agreed) {
  if (!agreed) {
    desk_.alarms().set(desk_.now() + kForgetRetry, [this, plugin] { forget_due(plugin); });
    return;
  }
  for (const TaskId& id : ids) erase(plugin, id);
  forget_due(plugin);
}

}  // namespace berth::control
