// SPDX-License-Identifier: Apache-2.0
// The agent's tasks on disk: one SQLite file, so that one fsync makes the moves of many tasks durable at once.
//
// Invariants: 1. commit() is all or nothing, and on disk when it returns. 2. A file of a newer version, or one that is not
// ours, is refused and left alone. 3. One process at a time.
// Threads: one at a time. Errors: PRECONDITION (in use, newer, not ours), INTERNAL (the disk, the file).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/runtime/task_state.pb.h"
#include "berth/v1/launch.pb.h"

namespace berth::runtime {

class TaskStore {
 public:
  struct Task {
    v1::StartTaskRequest request;
    TaskState state;
  };
  // What is remembered of a forgotten task.
  struct Ended {
    std::string task_id;
    std::int64_t stopped_ms = 0;
    std::int64_t forgotten_ms = 0;
  };
  // Pointers are valid until commit() returns.
  struct Batch {
    struct Update {
      const std::string* task_id = nullptr;
      const TaskState* state = nullptr;
    };
    std::vector<const v1::StartTaskRequest*> added;  // each is in `updated` too
    std::vector<Update> updated;
    std::vector<Ended> ended;                        // their tasks go
    std::vector<std::string> dropped;                // of the ended
    [[nodiscard]] bool empty() const {
      return added.empty() && updated.empty() && ended.empty() && dropped.empty();
    }
  };
  struct Contents {
    std::vector<Task> tasks;  // by task_id
    std::vector<Ended> ended;
    std::uint32_t epoch = 0;  // how often the file has been opened, this time included
  };

  // Makes the file where there is none.
  static sdk::Result<std::unique_ptr<TaskStore>> open(const std::filesystem::path& file);
  ~TaskStore();
  TaskStore(const TaskStore&) = delete;
  TaskStore& operator=(const TaskStore&) = delete;

  // Reads all, and begins a new epoch.
  sdk::Result<Contents> load();
  sdk::Result<void> commit(const Batch& batch);

 private:
  class Database;
  explicit TaskStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace berth::runtime
