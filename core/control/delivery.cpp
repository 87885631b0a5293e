// SPDX-License-Identifier: Apache-2.0
#include "core/control/delivery.hpp"

#include <algorithm>
#include <utility>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::control {
namespace {

using std::chrono::seconds;

constexpr milliseconds kFirstRetry = seconds(1);
constexpr milliseconds kLastRetry = seconds(30);
// A plugin that asks for more is not believed: its tasks would hang.
constexpr milliseconds kLongestWait = std::chrono::minutes(10);

// The host's own answers: they say nothing about what the plugin did.
bool is_unknown(Errc code) {
  return code == Errc::Unavailable || code == Errc::Deadline || code == Errc::Cancelled;
}

// Records of older programs say it by their instance alone.
std::string zone_of(const Launch& launch, const ContainerInstancePtr& instance) {
  if (!launch.availability_zone.empty() || !instance) return launch.availability_zone;
  for (const auto& attribute : instance->node.attributes()) {
    if (attribute.name() == "ecs.availability-zone") return attribute.value();
  }
  return {};
}

v1::StartTaskRequest start_request(const Task& task, const Realm& realm, const State& state) {
  v1::StartTaskRequest request;
  request.set_task_id(task.id.str());
  request.set_task_arn(realm.task_arn(task.cluster, task.id));
  request.set_cluster(task.cluster.str());
  request.set_node_id(task.node.str());
  *request.mutable_definition() = task.definition->message;
  request.mutable_definition()->set_task_definition_arn(
      realm.task_definition_arn(task.definition->id));
  const Launch& launch = *task.launch;
  *request.mutable_overrides() = launch.overrides;
  *request.mutable_requirement() = launch.requirement;
  *request.mutable_allocation() = launch.allocation;
  if (launch.network_configuration) {
    *request.mutable_network_configuration() = *launch.network_configuration;
  }
  if (launch.task_interface) *request.mutable_task_interface() = *launch.task_interface;
  request.mutable_tags()->Assign(launch.tags.begin(), launch.tags.end());
  request.set_group(launch.group);
  request.set_started_by(launch.started_by);
  request.set_launch_type(launch.launch_type);
  request.set_enable_execute_command(launch.enable_execute_command);
  for (const std::string& id : launch.container_ids) {
    request.add_container_arns(realm.container_arn(task.cluster, task.id, id));
  }
  request.set_availability_zone(zone_of(launch, state.instance(task.node)));
  request.mutable_pinned_digests()->insert(launch.pinned_digests.begin(),
                                           launch.pinned_digests.end());
  return request;
}

}  // namespace

void Delivery::pursue(const TaskId& id) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped) {
    posts_.erase(id);
    return;
  }
  const bool stopping = task->desired_status == DesiredStatus::Stopped;
  Post& post = posts_[id];
  if (post.in_flight) return;
  if (!stopping && task->start_acknowledged) {  // nothing to tell: most tasks, for most of their time
    desk_.alarms().cancel(post.retry);
    posts_.erase(id);
    return;
  }
  if (stopping && !task->start_acknowledged && !post.sent) {
    tasks_.finish(id, {StopCode::UserInitiated, "Task stopped by user"});
    return;
  }
  if (!plugins_.is_up(task->plugin)) return;  // pursued when it comes up
  if (stopping && post.stop_taken) return;
  if (post.wait_is_of_stops == stopping && desk_.now() < post.not_before) return;
  desk_.alarms().cancel(post.retry);
  if (stopping) {
    send_stop(task, post);
  } else {
    send_start(task, post);
  }
}

void Delivery::pursue_all(const PluginName& plugin) {
  const std::set<TaskId> ids = desk_.state().tasks_by(plugin);
  for (const TaskId& id : ids) {
    const auto at = posts_.find(id);
    if (at != posts_.end()) {
      at->second.stop_taken = false;
      at->second.failures = 0;
    }
    const TaskPtr task = desk_.state().task(id);
    if (task && task->last_status != TaskStatus::Stopped) pursue(id);
  }
}

void Delivery::plugin_up(const PluginName& plugin) {
  for (const TaskId& id : desk_.state().tasks_by(plugin)) {
    if (const auto at = posts_.find(id); at != posts_.end()) at->second.not_before = {};
  }
  pursue_all(plugin);
}

void Delivery::send_start(const TaskPtr& task, Post& post) {
  post.in_flight = true;
  desk_.outbox().after([this, task] {
    // A stop or a report may have come while the batch was written: then it is no more to begin.
    const TaskPtr latest = desk_.state().task(task->id);
    Post& post = posts_[task->id];
    if (!latest || latest->desired_status == DesiredStatus::Stopped || latest->start_acknowledged) {
      desk_.input([this, id = task->id] {
        posts_[id].in_flight = false;
        pursue(id);
      });
      return;
    }
    post.sent = true;
    plugins_.call_now(
        {task->plugin, v1::METHOD_LAUNCH_START,
         start_request(*task, desk_.config().realm, desk_.state()).SerializeAsString()},
        [this, id = task->id](const Result<std::string>& result) { start_answered(id, result); });
  });
}

void Delivery::start_answered(const TaskId& id, const Result<std::string>& result) {
  Post& post = posts_[id];
  post.in_flight = false;
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped) {
    posts_.erase(id);
    return;
  }
  if (result) {
    post.failures = 0;
    tasks_.acknowledge(id);
  } else if (task->start_acknowledged) {
    // A report came first and is the better witness.
  } else if (is_unknown(result.error().code)) {
    return retry_later(task, post, result.error().retry_after);
  } else {
    const Tasks::Reason reason{StopCode::TaskFailedToStart, result.error().message.empty()
                                                                ? "Task failed to start"
                                                                : result.error().message};
    // A fault within the plugin is no clear no.
    if (result.error().code == Errc::Internal) return confirm_missing(task, reason);
    tasks_.finish(id, reason);
  }
  pursue(id);
}

void Delivery::send_stop(const TaskPtr& task, Post& post) {
  post.in_flight = true;
  v1::StopTaskRequest request;
  request.set_task_id(task->id.str());
  request.set_node_id(task->node.str());
  request.set_reason(task->stopped_reason);
  plugins_.call(
      {task->plugin, v1::METHOD_LAUNCH_STOP, request.SerializeAsString()},
      [this, id = task->id](const Result<std::string>& result) { stop_answered(id, result); });
}

void Delivery::stop_answered(const TaskId& id, const Result<std::string>& result) {
  Post& post = posts_[id];
  post.in_flight = false;
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped) {
    posts_.erase(id);
    return;
  }
  if (result) {
    post.failures = 0;
    post.stop_taken = true;  // what follows comes as reports
  } else if (result.error().code == Errc::NotFound) {
    confirm_missing(task, std::nullopt);
  } else {
    retry_later(task, post, result.error().retry_after);
  }
}

void Delivery::missing(const TaskId& id) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped || posts_[id].in_flight) return;
  if (!task->start_acknowledged && task->desired_status == DesiredStatus::Running) {
    return pursue(id);  // it has not begun: then it shall
  }
  if (task->started_at) {
    tasks_.finish(id, {StopCode::EssentialContainerExited,
                       "Essential container in task exited: its host no longer knows the task"});
  } else {
    tasks_.finish(
        id, {StopCode::TaskFailedToStart, "Task failed to start: its host does not know the task"});
  }
}

// After a stop that found nothing, or a start that broke: the plugin is asked in so many words
// before the task counts as ended.
void Delivery::confirm_missing(const TaskPtr& task, const Reason& reason) {
  posts_[task->id].in_flight = true;
  v1::RecoverRequest request;
  v1::RecoverTask* one = request.add_tasks();
  one->set_task_id(task->id.str());
  one->set_node_id(task->node.str());
  if (task->report) one->set_handle(task->report->handle());
  plugins_.call({task->plugin, v1::METHOD_LAUNCH_RECOVER, request.SerializeAsString()},
                [this, id = task->id, reason](const Result<std::string>& result) {
                  missing_answered(id, reason, result);
                });
}

void Delivery::missing_answered(const TaskId& id, const Reason& reason,
                                const Result<std::string>& result) {
  Post& post = posts_[id];
  post.in_flight = false;
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped) {
    posts_.erase(id);
    return;
  }
  v1::RecoverResponse response;
  if (!result || !response.ParseFromString(*result)) return retry_later(task, post);
  const auto& unknown = response.unknown();
  if (std::find(unknown.begin(), unknown.end(), id.str()) != unknown.end()) {
    return reason ? tasks_.finish(id, *reason) : missing(id);
  }
  for (const v1::TaskReport& report : response.known()) {
    if (report.task_id() == id.str()) tasks_.apply(id, report);
  }
  if (desk_.state().task(id)->last_status != TaskStatus::Stopped) retry_later(task, post);
}

void Delivery::stop_stray(const Stray& stray) {
  const TaskId id(stray.task_id);
  if (posts_[id].in_flight || !plugins_.is_up(stray.plugin)) return;
  posts_[id].in_flight = true;
  v1::StopTaskRequest request;
  request.set_task_id(stray.task_id);
  request.set_node_id(stray.node_id);
  request.set_reason("The control plane has no such running task");
  plugins_.call({stray.plugin, v1::METHOD_LAUNCH_STOP, request.SerializeAsString()},
                [this, id](const Result<std::string>&) { posts_.erase(id); });
}

void Delivery::retry_later(const TaskPtr& task, Post& post, milliseconds asked) {
  desk_.alarms().cancel(post.retry);
  asked = std::min(asked, kLongestWait);
  post.not_before = desk_.now() + asked;
  post.wait_is_of_stops = task->desired_status == DesiredStatus::Stopped;
  const int doublings = std::min(post.failures++, 10);
  const milliseconds wait = std::max(std::min(kLastRetry, kFirstRetry * (1 << doublings)), asked);
  post.retry = desk_.alarms().set(desk_.now() + wait, [this, id = task->id] { pursue(id); });
}

}  // namespace berth::control
