// SPDX-License-Identifier: Apache-2.0
// Callers that wait for a task to change.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/control/desk.hpp"

namespace berth::control {

class Watches {
 public:
  explicit Watches(Desk& desk) : desk_(desk) {}

  // Cursors of one epoch are greater than those of all before it.
  void begin(store::Epoch epoch) { last_ = epoch << 32; }

  struct Wait {
    std::uint64_t cursor = 0;
    Instant deadline;
    Reply reply;
  };
  void watch(const TaskId& task, Wait wait);
  // Something that a watcher sees has changed; or the task is gone.
  void changed(const TaskId& task);

 private:
  struct Waiter {
    Alarms::Id alarm;
    Reply reply;
  };
  [[nodiscard]] std::uint64_t cursor_of(const TaskId& task);
  void answer(const TaskId& task, const Reply& reply);

  Desk& desk_;
  std::uint64_t last_ = 0;
  std::map<TaskId, std::uint64_t> cursors_;  // of tasks that were watched: most never are
  std::map<TaskId, std::vector<Waiter>> waiting_;
};

}  // namespace berth::control
