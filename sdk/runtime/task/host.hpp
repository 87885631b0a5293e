// SPDX-License-Identifier: Apache-2.0
// The seam between a task's machine and the machine it runs on: what the actions do.
//
// Every function but watch() blocks and is called on a worker thread; calls for one container never overlap,
// except that signal() and check_health() may come at any time after launch() began, also when the container is gone. Each may be called again for the same container, also by
// another process after a crash in the middle of it, and then goes on from what it finds.
// Threads: any.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/task/task_machine.hpp"

namespace berth::runtime {

// A task as it was asked for.
struct TaskSpec {
  v1::StartTaskRequest request;
  TaskPlan plan;
};
using TaskSpecPtr = std::shared_ptr<const TaskSpec>;

class Host {
 public:
  struct Pulled {
    std::string image_digest;
    std::string image_id;
    int stop_signal = 0;
  };
  using Progress = std::function<void(const v1::PullProgress&)>;

  virtual ~Host() = default;

  // Whether everything that the request asks for can be done here.
  virtual sdk::Result<void> check(const TaskSpec& task) = 0;

  // Brings the container's image here. The error's message is the container's reason.
  virtual sdk::Result<Pulled> pull(const TaskSpec& task, std::size_t container, const Progress& progress,
                                   std::stop_token cancel) = 0;

  // Makes what the container needs and runs its program, unless it ran already in this run (`restart_count` of the state). What an
  // earlier run left but its log and files goes first. With `find_only`, begins nothing. `cancel` and begin_close() end its waits for others
  // (secrets, receivers of logs): then it is NotStarted.
  virtual LaunchEnded launch(const TaskSpec& task, std::size_t container, const ContainerState& state,
                             bool find_only, std::stop_token cancel) = 0;

  // Runs the check of a container that has one. Blocks for its timeout at most; `cancel` kills it. `began_ms` is the caller's.
  virtual HealthResult check_health(const TaskSpec& task, std::size_t container, std::stop_token cancel) = 0;

  // Returns at once; calls `ended` once, from any thread, when the container has ended. Not after close().
  virtual void watch(const TaskSpec& task, std::size_t container, std::function<void(Exited)> ended) = 0;

  // True where the signal was sent or there is nothing left to send it to.
  virtual bool signal(const TaskSpec& task, std::size_t container, int number) = 0;

  // Removes all of a stopped container but its log.
  virtual bool remove(const TaskSpec& task, std::size_t container) = 0;

  // Removes what is left of a stopped task but its logs.
  virtual bool cleanup(const TaskSpec& task) = 0;

  virtual bool drop_logs(const std::string& task_id) = 0;

  // Removes what belongs to none of these tasks, logs of none of `with_logs` too.
  virtual void sweep(const std::vector<TaskSpecPtr>& tasks, const std::set<std::string>& with_logs) = 0;

  // Nothing that is under way or comes waits for others from now on; before the threads that do it are joined.
  virtual void begin_close() = 0;

  // Ends all watches.
  virtual void close() = 0;
};

}  // namespace berth::runtime
