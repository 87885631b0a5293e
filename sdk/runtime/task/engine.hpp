// SPDX-License-Identifier: Apache-2.0
// Drives the machines of all tasks: one thread folds facts and writes batches, workers do what the machines want.
//
// Invariants: 1. Nothing is done outside, told or answered before the state that calls for it is on disk. 2. All moves
// that wait at one time share one commit. 3. The number of threads does not depend on the number of tasks.
// Threads: any; reports come from the engine's own thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/task/host.hpp"
#include "sdk/runtime/task/task_store.hpp"

namespace berth::runtime {

struct EngineOptions {
  std::chrono::milliseconds stop_timeout{30'000};
  std::chrono::milliseconds cleanup_wait{3 * 3600'000};
  std::chrono::milliseconds remember_forgotten{24 * 3600'000};
  unsigned concurrent_starts = 6;
  unsigned concurrent_pulls = 3;
  unsigned concurrent_checks = 8;
  std::string boot_id;  // of this boot of the host; empty: launches of another one are not told apart
};

class TaskEngine {
 public:
  using Report = std::function<void(const v1::TaskReport&)>;

  // Reads the store, sweeps the host, goes on with what was under way. The store and host must outlive it.
  static sdk::Result<std::unique_ptr<TaskEngine>> open(EngineOptions options, TaskStore& store, Host& host,
                                                       Report report);
  ~TaskEngine();
  TaskEngine(const TaskEngine&) = delete;
  TaskEngine& operator=(const TaskEngine&) = delete;

  // As those of Tasks.
  sdk::Result<void> start(const v1::StartTaskRequest& request);
  sdk::Result<void> stop(const v1::StopTaskRequest& request, v1::StopCode code = v1::STOP_CODE_USER_INITIATED);
  [[nodiscard]] std::vector<v1::TaskReport> list() const;
  void forget(const std::vector<std::string>& task_ids);
  void shutdown();

  // The latest report of a task that is not forgotten.
  [[nodiscard]] std::optional<v1::TaskReport> find(const std::string& task_id) const;

  // Those that have been given devices and are not being stopped.
  [[nodiscard]] std::vector<TaskSpecPtr> with_devices() const;

 private:
  class Loop;
  explicit TaskEngine(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace berth::runtime
