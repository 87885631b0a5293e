// SPDX-License-Identifier: Apache-2.0
// The reports of the tasks that a plugin holds: told to the host as they change, given again when
// it asks.
//
// Invariants: 1. Each change has a higher sequence, also after a restart (it follows the clock). 2.
// Phases never go back; a stopped task changes no more. 3. Only a stopped task is forgotten.
// Threads: any.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "berth/host.hpp"
#include "berth/owned_page.hpp"

namespace berth::sdk {

[[nodiscard]] inline v1::ecs::Timestamp now() {
  v1::ecs::Timestamp at;
  at.set_ms(std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::system_clock::now().time_since_epoch())
                .count());
  return at;
}

class TaskBook {
 public:
  explicit TaskBook(Host host) : host_(std::move(host)) {}

  // Enters a task and reports it. False where it is entered already.
  bool add(v1::TaskReport report) {
    const std::lock_guard lock(mutex_);
    if (reports_.contains(report.task_id())) return false;
    report.set_sequence(after(report.sequence()));
    host_.report(reports_[report.task_id()] = std::move(report));
    return true;
  }

  // As add(), of a task whose containers have all been started.
  bool add_running(const v1::StartTaskRequest& request) {
    v1::TaskReport report;
    report.set_task_id(request.task_id());
    report.set_node_id(request.node_id());
    report.set_phase(v1::TASK_PHASE_RUNNING);
    *report.mutable_started_at() = now();
    for (const auto& definition : request.definition().container_definitions()) {
      v1::ContainerReport& container = *report.add_containers();
      container.set_name(definition.name());
      container.set_last_status("RUNNING");
    }
    return add(std::move(report));
  }

  // As update(), of the end of a container. With its last container the task has stopped: because
  // of it, unless a stop code says otherwise.
  bool container_exited(const std::string& task_id, const std::string& container, int exit_code) {
    return update(task_id, [&](v1::TaskReport& report) {
      bool all = true;
      for (v1::ContainerReport& each : *report.mutable_containers()) {
        if (each.name() == container) {
          each.set_last_status("STOPPED");
          each.set_exit_code(exit_code);
        }
        all = all && each.last_status() == "STOPPED";
      }
      if (!all) return;
      report.set_phase(v1::TASK_PHASE_STOPPED);
      *report.mutable_execution_stopped_at() = now();
      *report.mutable_stopped_at() = now();
      if (report.stop_code() != v1::STOP_CODE_UNSPECIFIED) return;
      report.set_stop_code(v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
      report.set_stopped_reason("Essential container in task exited");
    });
  }

  // Changes a task and reports it. False, and nothing else, where it is unknown, stopped, or its
  // phase would go back.
  bool update(const std::string& task_id, const std::function<void(v1::TaskReport&)>& change) {
    const std::lock_guard lock(mutex_);
    const auto it = reports_.find(task_id);
    if (it == reports_.end() || it->second.phase() == v1::TASK_PHASE_STOPPED) return false;
    v1::TaskReport next = it->second;
    change(next);
    if (next.phase() < it->second.phase()) return false;
    next.set_sequence(after(it->second.sequence()));
    it->second = std::move(next);
    host_.report(it->second);
    return true;
  }

  [[nodiscard]] std::optional<v1::TaskReport> find(const std::string& task_id) const {
    const std::lock_guard lock(mutex_);
    const auto it = reports_.find(task_id);
    if (it == reports_.end()) return std::nullopt;
    return it->second;
  }

  [[nodiscard]] v1::ListOwnedResponse list(const v1::ListOwnedRequest& request = {}) const {
    const std::lock_guard lock(mutex_);
    v1::ListOwnedResponse owned;
    for (const auto& [id, report] : reports_) *owned.add_tasks() = report;
    return owned_page(std::move(owned), request.after());
  }

  // What is in the book is known, all else unknown.
  [[nodiscard]] v1::RecoverResponse recover(const v1::RecoverRequest& request) const {
    const std::lock_guard lock(mutex_);
    v1::RecoverResponse response;
    for (const v1::RecoverTask& asked : request.tasks()) {
      if (const auto it = reports_.find(asked.task_id()); it != reports_.end()) {
        *response.add_known() = it->second;
      } else {
        response.add_unknown(asked.task_id());
      }
    }
    return response;
  }

  void forget(const v1::ForgetTasksRequest& request) {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : request.task_ids()) {
      const auto it = reports_.find(id);
      if (it != reports_.end() && it->second.phase() == v1::TASK_PHASE_STOPPED) reports_.erase(it);
    }
  }

 private:
  [[nodiscard]] static std::uint64_t after(std::uint64_t last) {
    return std::max(last + 1, static_cast<std::uint64_t>(now().ms()));
  }

  Host host_;
  // Held over report(), so that changes arrive in order; recursive, as the host may call back.
  mutable std::recursive_mutex mutex_;
  std::map<std::string, v1::TaskReport> reports_;
};

}  // namespace berth::sdk
