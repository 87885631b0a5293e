// SPDX-License-Identifier: Apache-2.0
#include "core/control/tasks.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

namespace berth::control {
namespace {

constexpr std::size_t kMaxReason = 1024;
constexpr std::size_t kMaxRuntimeId = 255;
constexpr std::size_t kMaxHandle = 4096;

// Cuts between characters: a torn one would make the record unreadable.
void cut(std::string& text, std::size_t size) {
  if (text.size() <= size) return;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text.resize(size);
}

// What a plugin says is held to the definition and to ECS's limits.
void clean(v1::TaskReport& report, const TaskDefinition& definition) {
  std::set<std::string> expected;
  for (const auto& container : definition.message.container_definitions()) {
    expected.insert(container.name());
  }
  auto& containers = *report.mutable_containers();
  for (int i = 0; i < containers.size();) {
    v1::ContainerReport& container = containers[i];
    if (expected.erase(container.name()) == 0) {
      containers.DeleteSubrange(i, 1);
      continue;
    }
    cut(*container.mutable_reason(), kMaxReason);
    cut(*container.mutable_runtime_id(), kMaxRuntimeId);
    ++i;
  }
  cut(*report.mutable_stopped_reason(), kMaxReason);
  if (report.handle().size() > kMaxHandle) report.clear_handle();
  // The record says both. Released, since a cleared string keeps its memory.
  const std::unique_ptr<std::string> task_id(report.release_task_id());
  const std::unique_ptr<std::string> node_id(report.release_node_id());
}

// What of a report DescribeTasks shows.
std::string shown(const std::shared_ptr<const v1::TaskReport>& report) {
  if (!report) return v1::TaskReport().SerializeAsString();
  v1::TaskReport part = *report;
  part.clear_sequence();
  part.clear_handle();
  part.clear_pulls();
  part.clear_phase();
  part.clear_task_id();
  part.clear_node_id();
  return part.SerializeAsString();
}

std::optional<Instant> instant_of(bool there, const ecs::Timestamp& at) {
  if (!there) return std::nullopt;
  return Instant(milliseconds(at.ms()));
}

std::string handle_of(const Task& task) {
  return task.report ? task.report->handle() : "";
}

void end(Task& task, Instant now) {
  task.desired_status = DesiredStatus::Stopped;
  task.last_status = TaskStatus::Stopped;
  if (!task.stopping_at) task.stopping_at = now;
  if (!task.stopped_at) task.stopped_at = now;
}

// The newest report's phase, times and reasons become the record's.
void follow(Task& task, Instant now) {
  const v1::TaskReport& report = *task.report;
  const auto status = task_status_of(report.phase());
  if (!status || !may_follow(task.last_status, *status)) return;
  task.last_status = *status;
  const auto started = instant_of(report.has_started_at(), report.started_at());
  if (!task.started_at && *status >= TaskStatus::Running) {
    task.started_at = started;
    if (!started && *status == TaskStatus::Running) task.started_at = now;
  }
  if (*status <= TaskStatus::Running) return;

  const bool was_wanted = task.desired_status == DesiredStatus::Running;
  task.desired_status = DesiredStatus::Stopped;
  if (!task.stopping_at) {
    task.stopping_at = instant_of(report.has_stopping_at(), report.stopping_at()).value_or(now);
  }
  if (was_wanted || !task.stop_code) {
    if (const auto code = stop_code_of(report.stop_code())) task.stop_code = code;
    if (!report.stopped_reason().empty()) task.stopped_reason = report.stopped_reason();
  }
  if (*status != TaskStatus::Stopped) return;
  task.stopped_at = instant_of(report.has_stopped_at(), report.stopped_at()).value_or(now);
  if (!task.stop_code) {
    task.stop_code =
        task.started_at ? StopCode::EssentialContainerExited : StopCode::TaskFailedToStart;
  }
  if (task.stopped_reason.empty()) {
    task.stopped_reason = *task.stop_code == StopCode::TaskFailedToStart
                              ? "Task failed to start"
                              : "Essential container in task exited";
  }
}

}  // namespace

void Tasks::create(Task task, const Placer::Place& place) {
  placer_.book(task, place);
  const TaskId id = task.id;
  desk_.save(std::move(task));
  if (changed_) changed_(*desk_.state().task(id));
}

void Tasks::protect(const TaskId& id, std::optional<Instant> until) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->protected_until == until) return;
  Task next = *task;
  next.protected_until = until;
  desk_.save(std::move(next));
  if (changed_) changed_(*desk_.state().task(id));
}

void Tasks::retag(const TaskId& id, std::vector<ecs::Tag> tags) {
  Task next = *desk_.state().task(id);
  auto launch = std::make_shared<Launch>(*next.launch);
  launch->tags = std::move(tags);
  next.launch = std::move(launch);
  next.version += 1;
  desk_.save(std::move(next));
  watches_.changed(id);
}

void Tasks::acknowledge(const TaskId& id) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->start_acknowledged || task->last_status == TaskStatus::Stopped) return;
  Task next = *task;
  next.start_acknowledged = true;
  desk_.save(std::move(next));
}

void Tasks::request_stop(const TaskId& id, Reason reason) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->desired_status == DesiredStatus::Stopped) return;
  Task next = *task;
  next.desired_status = DesiredStatus::Stopped;
  next.stop_code = reason.code;
  next.stopped_reason = std::move(reason.text);
  cut(next.stopped_reason, kMaxReason);
  next.stopping_at = desk_.now();
  // StopTask takes a task's tags away.
  if (!task->launch->tags.empty()) {
    auto launch = std::make_shared<Launch>(*task->launch);
    launch->tags.clear();
    next.launch = std::move(launch);
  }
  commit(*task, std::move(next));
}

void Tasks::finish(const TaskId& id, Reason reason) {
  const TaskPtr task = desk_.state().task(id);
  if (!task || task->last_status == TaskStatus::Stopped) return;
  Task next = *task;
  if (!next.stop_code) next.stop_code = reason.code;
  if (next.stopped_reason.empty()) next.stopped_reason = std::move(reason.text);
  cut(next.stopped_reason, kMaxReason);
  end(next, desk_.now());
  commit(*task, std::move(next));
}

void Tasks::apply(const TaskId& id, v1::TaskReport report) {
  const TaskPtr task = desk_.state().task(id);
  if (task->report && report.sequence() <= task->report->sequence()) return;
  Task next = *task;
  next.start_acknowledged = true;
  clean(report, *task->definition);
  next.report = std::make_shared<const v1::TaskReport>(std::move(report));
  follow(next, desk_.now());
  commit(*task, std::move(next));
}

void Tasks::commit(const Task& before, Task after) {
  const TaskId id = after.id;
  const bool visible = before.last_status != after.last_status ||
                       before.desired_status != after.desired_status ||
                       shown(before.report) != shown(after.report);
  const bool stopped =
      before.last_status != TaskStatus::Stopped && after.last_status == TaskStatus::Stopped;
  const bool retired = before.desired_status == DesiredStatus::Running &&
                       after.desired_status == DesiredStatus::Stopped;
  const bool durable = visible || before.start_acknowledged != after.start_acknowledged ||
                       handle_of(before) != handle_of(after);
  if (visible) after.version += 1;
  if (stopped) after.end_recorded_at = desk_.now();
  if (durable) {
    desk_.save(std::move(after));
  } else {
    desk_.show(std::move(after));
  }
  if (stopped) {
    placer_.release(id);
  } else if (retired) {
    placer_.retire(id);
  }
  watches_.changed(id);
  if (stopped && stopped_) stopped_(id);
  if (!changed_) return;
  if (const TaskPtr now = desk_.state().task(id)) changed_(*now);
}

void Tasks::erase(const TaskId& id) {
  desk_.erase_task(id);
  watches_.changed(id);
}

}  // namespace berth::control
