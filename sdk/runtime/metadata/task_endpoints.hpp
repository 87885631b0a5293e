// SPDX-License-Identifier: Apache-2.0
// The task endpoints of a host: metadata v2, v3 and v4, stats and credentials, at 169.254.170.2 as
// each container sees it.
//
// Invariants: 1. Whoever asks from within a network namespace is told of that namespace's task
// alone, whatever id he gives. Tasks with the host's network share one loopback socket, so there
// the ids, which cannot be guessed, keep them apart. 2. Ids and ports are the same after a
// restart. 3. A namespace that detach() was called for is kept by nothing here. Threads: any;
// start() and attach() block for some milliseconds. Errors: those of the sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/metadata/documents.hpp"
#include "sdk/runtime/roles/roles.hpp"

namespace berth::runtime::metadata {

class TaskEndpoints {
 public:
  struct Options {
    std::filesystem::path directory;  // exists; holds the key of the ids and the loopback port
    std::map<std::string, std::string> instance_tags;
  };
  // What it asks others for; they must outlive it. On its server's thread.
  struct Outside {
    // Counters of a running container. Errors: NOT_FOUND.
    std::function<sdk::Result<v1::ContainerStats>(
        const std::string& task_id, const std::string& container, const std::string& runtime_id)>
        stats;
    // Of its cgroup; empty where that is gone.
    std::function<MemoryDetail(const std::string& task_id, const std::string& container)> memory;
    Roles& roles;
  };

  static sdk::Result<std::unique_ptr<TaskEndpoints>> start(Options options, Outside outside);
  ~TaskEndpoints();
  TaskEndpoints(const TaskEndpoints&) = delete;
  TaskEndpoints& operator=(const TaskEndpoints&) = delete;

  // The variables that tell a container where to ask, "NAME=value".
  [[nodiscard]] std::vector<std::string> environment(const v1::StartTaskRequest& task,
                                                     std::size_t container, bool own_netns) const;

  // Serves a container: from now on whoever asks within `netns_path` (empty: the host's network)
  // is answered. Again for the same container replaces what is known of it.
  sdk::Result<void> attach(const v1::StartTaskRequest& task, std::size_t container,
                           CreatedContainer created, const std::string& netns_path);
  void started(const std::string& task_id, std::size_t container, std::int64_t started_ms);
  // A health check of the container has ended.
  void checked(const std::string& task_id, std::size_t container, CheckFacts check);
  // Where a task stands. Reports of tasks that are not attached are kept until forget().
  void learn(const v1::TaskReport& report);
  // The container has ended; with the last of its namespace the socket goes.
  void detach(const std::string& task_id, std::size_t container);
  // Drops a task that has ended.
  void forget(const std::string& task_id);
  // Closes all sockets and asks nobody any more; nothing but learn() is called afterwards.
  void close();

 private:
  class Impl;
  explicit TaskEndpoints(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime::metadata
