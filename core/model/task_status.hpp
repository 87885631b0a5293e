// SPDX-License-Identifier: Apache-2.0
// The states of a task and why it stopped, with ECS's words.
//
// Invariant: a task's lastStatus only ever moves to a greater value. Threads: any.
#pragma once

#include <optional>
#include <string_view>

namespace berth {

// In the order in which a task may pass through them; stages may be skipped. The values are berth.v1.TaskPhase's.
// ECS's DELETED is none of them: there it is a task whose record goes between two questions; here a record
// is STOPPED until it is pruned, and MISSING afterwards.
enum class TaskStatus {
  Provisioning = 1,
  Pending = 2,
  Activating = 3,
  Running = 4,
  Deactivating = 5,
  Stopping = 6,
  Deprovisioning = 7,
  Stopped = 8,
};

enum class DesiredStatus { Running, Stopped };

// The values are berth.v1.StopCode's.
enum class StopCode {
  TaskFailedToStart = 1,
  EssentialContainerExited = 2,
  UserInitiated = 3,
  ServiceSchedulerInitiated = 4,
  SpotInterruption = 5,
  TerminationNotice = 6,
};

[[nodiscard]] std::string_view to_string(TaskStatus status);     // "PROVISIONING", ...
[[nodiscard]] std::string_view to_string(DesiredStatus status);  // "RUNNING", "STOPPED"
[[nodiscard]] std::string_view to_string(StopCode code);         // "TaskFailedToStart", ...

// From the number in a report or a stored record; nothing for 0 and for values of a newer version.
[[nodiscard]] std::optional<TaskStatus> task_status_of(int value);
[[nodiscard]] std::optional<StopCode> stop_code_of(int value);

// Whether a task in `from` may be recorded in `to`: forward only.
[[nodiscard]] constexpr bool may_follow(TaskStatus from, TaskStatus to) {
  return static_cast<int>(to) > static_cast<int>(from);
}

}  // namespace berth
