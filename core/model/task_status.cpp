// SPDX-License-Identifier: Apache-2.0
#include "core/model/task_status.hpp"

#include <array>

namespace berth {
namespace {

constexpr std::array<std::string_view, 9> kStatus = {
    "",           "PROVISIONING",   "PENDING",  "ACTIVATING", "RUNNING",
    "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"};
constexpr std::array<std::string_view, 7> kStopCode = {
    "",
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice"};

}  // namespace

std::string_view to_string(TaskStatus status) { return kStatus[static_cast<std::size_t>(status)]; }

std::string_view to_string(DesiredStatus status) {
  return status == DesiredStatus::Running ? "RUNNING" : "STOPPED";
}

std::string_view to_string(StopCode code) { return kStopCode[static_cast<std::size_t>(code)]; }

std::optional<TaskStatus> task_status_of(int value) {
  if (value < 1 || value >= static_cast<int>(kStatus.size())) return std::nullopt;
  return static_cast<TaskStatus>(value);
}

std::optional<StopCode> stop_code_of(int value) {
  if (value < 1 || value >= static_cast<int>(kStopCode.size())) return std::nullopt;
  return static_cast<StopCode>(value);
}

}  // namespace berth
