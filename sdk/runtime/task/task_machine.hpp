// SPDX-License-Identifier: Apache-2.0
// The state machine of one task: facts fold into its state, the state decides what is to be done next.
//
// Invariants: 1. Pure: no clock, no I/O; the same calls give the same state. 2. What wanted() names is decided by the
// state alone, so a restarted agent that reads the state from disk goes on where the dead one was. 3. A container's phase never
// goes back, but for a restart by its policy, which counts up its run; a container of a task that is being stopped is never
// begun. 4. Facts that do not fit the phase or are of another run (late or doubled ones) change nothing.
// Threads: one at a time for each state.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "berth/runtime/task_state.pb.h"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/task/task_plan.hpp"

namespace berth::runtime {

// Milliseconds since the Unix epoch.
struct Now {
  std::int64_t ms = 0;
};

// ---- Facts: what happened outside. `container` is an index into the plan, `run` the container's restart_count at the time.

struct StopRequested {
  std::string reason;
  bool force = false;
  v1::StopCode code = v1::STOP_CODE_USER_INITIATED;
};
struct PullBegan {
  std::int64_t at_ms = 0;
};
struct PullEnded {
  std::size_t container = 0;
  std::string failure;  // "CannotPullContainerError: ..."; empty: the image is here
  std::string image_digest;
  std::string image_id;
  int stop_signal = 0;
  std::int64_t began_ms = 0;
};
struct LaunchEnded {
  enum class Outcome {
    Started,     // its program runs, or ran
    Failed,      // its program never ran
    NotStarted,  // nothing was done, as asked: its program never ran
  };
  std::size_t container = 0;
  Outcome outcome = Outcome::Failed;
  std::string failure;  // "CannotStartContainerError: ..."
  std::string notice;   // what of its wishes the host could not give in full
  std::string runtime_id;
  std::vector<v1::ecs::NetworkBinding> network_bindings;
  std::int64_t started_ms = 0;  // 0: now
  std::uint32_t run = 0;
};
struct Exited {
  std::size_t container = 0;
  std::optional<int> exit_code;  // absent: its monitor vanished
  bool out_of_memory = false;
  std::int64_t at_ms = 0;        // 0: now
  std::uint32_t run = 0;
};
struct HealthChecked {
  std::size_t container = 0;
  HealthResult result;
  std::uint32_t run = 0;
};
struct SignalEnded {
  std::size_t container = 0;
  bool kill = false;
  bool sent = false;
};
struct RemoveEnded {
  std::size_t container = 0;
  bool removed = false;
};
struct CleanupEnded {
  bool cleaned = false;
};
// The control plane has recorded the end of the task.
struct Forgotten {};

using Fact = std::variant<StopRequested, PullBegan, PullEnded, LaunchEnded, Exited, HealthChecked,
                          SignalEnded, RemoveEnded, CleanupEnded, Forgotten>;

// ---- Actions: what is to be done outside. Each may be done again after a crash.

struct Action {
  enum class Kind {
    Pull,         // the image of the container
    Launch,       // network, root file system, runtime; once more only where its program never ran
    FindLaunch,   // as Launch after a stop was asked for: say whether it ran, begin nothing
    Watch,        // tell when it ends
    CheckHealth,  // run the container's health check once
    Signal,       // the image's stop signal
    Kill,
    Remove,       // all of the container but its log
    Cleanup,      // all that is left of the task but its logs; container is 0
  };
  Kind kind = Kind::Pull;
  std::size_t container = 0;

  // Actions of one slot exclude each other: while one is under way the other is not begun.
  [[nodiscard]] Action slot() const { return {kind == Kind::FindLaunch ? Kind::Launch : kind, container}; }
  auto operator<=>(const Action&) const = default;
};

// The state of a task that has just been taken over.
TaskState new_task(const TaskPlan& plan);

// Folds one fact into the state and makes every decision that is due at `now`. True where the state changed in something that
// must not be lost: a health check that confirms the last one is none.
bool step(const TaskPlan& plan, TaskState& state, const Fact& fact, Now now);
// The same for the mere passing of time, or after the state was read from disk.
bool step(const TaskPlan& plan, TaskState& state, Now now);

// Marks the launches that were decided since the last time as ones of this boot of the host. Before the state is written.
void mark_launches(TaskState& state, const std::string& boot_id);

// What ought to be under way now, sorted. The caller begins what is not, and gives up a Pull that is no longer in it.
std::vector<Action> wanted(const TaskPlan& plan, const TaskState& state, Now now);

// When step() or wanted() will give something new without any fact; nothing: never.
std::optional<Now> next_wake(const TaskPlan& plan, const TaskState& state, Now now);

// Whether the record of the task may be dropped: STOPPED, cleaned up.
[[nodiscard]] bool is_over(const TaskState& state);

// What the control plane is told; sequence and pulls are the caller's.
v1::TaskReport report(const v1::StartTaskRequest& request, const TaskState& state);

}  // namespace berth::runtime
