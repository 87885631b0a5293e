// SPDX-License-Identifier: Apache-2.0
// The life of task records: made, moved forward, ended, erased. All changes of tasks go through
// here.
//
// Invariants: 1. lastStatus only moves forward, and nothing of a STOPPED task changes but
// `forgotten`. 2. The version grows by one with each change that DescribeTasks shows. 3. Resources
// are given back when a task is STOPPED, not before. Threads: loop.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/control/desk.hpp"
#include "core/control/placer.hpp"
#include "core/control/watches.hpp"

namespace berth::control {

class Tasks {
 public:
  Tasks(Desk& desk, Placer& placer, Watches& watches)
      : desk_(desk), placer_(placer), watches_(watches) {}

  // Told once a task has become STOPPED.
  void on_stopped(std::function<void(const TaskId&)> listener) { stopped_ = std::move(listener); }
  // Told of each change of a task, also of its making; not of its erasure.
  void on_changed(std::function<void(const Task&)> listener) { changed_ = std::move(listener); }

  void create(Task task, const Placer::Place& place);
  // The plugin has taken it over.
  void acknowledge(const TaskId& id);

  struct Reason {
    std::optional<StopCode> code;
    std::string text;
  };
  // It is to stop. The first reason stays.
  void request_stop(const TaskId& id, Reason reason);
  // It is known not to run, and never to run again; there is no report of its end.
  void finish(const TaskId& id, Reason reason);

  // Takes a report over if it is newer than what is known. Requires: the task is not STOPPED.
  void apply(const TaskId& id, v1::TaskReport report);

  // Nothing: no more. Not shown by DescribeTasks.
  void protect(const TaskId& id, std::optional<Instant> until);

  // Its tags from now on. Requires: it is there, and not to stop.
  void retag(const TaskId& id, std::vector<ecs::Tag> tags);

  void erase(const TaskId& id);

 private:
  void commit(const Task& before, Task after);

  Desk& desk_;
  Placer& placer_;
  Watches& watches_;
  std::function<void(const TaskId&)> stopped_;
  std::function<void(const Task&)> changed_;
};

}  // namespace berth::control
