// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_machine.hpp"

#include <algorithm>
#include <utility>

#include "sdk/runtime/task/task_gate.hpp"
#include "sdk/runtime/task/text.hpp"

namespace berth::runtime {
namespace {

constexpr std::int64_t kKillAgainMs = 5'000;
constexpr std::uint32_t kFailuresBeforeStopped = 3;

ContainerState& at(TaskState& state, std::size_t i) { return *state.mutable_containers(static_cast<int>(i)); }
const ContainerState& at(const TaskState& state, std::size_t i) { return state.containers(static_cast<int>(i)); }

bool is_before_launch(const ContainerState& container) {
  return container.phase() == ContainerState::PHASE_PULLING ||
         container.phase() == ContainerState::PHASE_PULLED;
}
bool needs_removal(const ContainerState& container) {
  return is_stopped(container) && container.launched() && !container.removed();
}

// 1 s, 2 s, 4 s ... up to a minute.
std::int64_t retry_after_ms(std::uint32_t failures) {
  return std::min<std::int64_t>(60'000, std::int64_t{500} << std::min<std::uint32_t>(failures, 7));
}

std::int64_t or_now(std::int64_t ms, Now now) { return ms != 0 ? ms : now.ms; }

// The first cause of a task's end is the one that is told.
void want_stop(TaskState& state, v1::StopCode code, const std::string& reason, Now now) {
  if (state.stop_wanted()) return;
  state.set_stop_wanted(true);
  state.set_stop_code(code);
  state.set_stopped_reason(clean_text(reason));
  state.set_stopping_ms(now.ms);
}

void end_container(ContainerState& container, Now now, const std::string& reason) {
  container.set_phase(ContainerState::PHASE_STOPPED);
  container.set_stopped_ms(now.ms);
  if (!reason.empty()) container.set_reason(clean_text(reason));
}

// ---- Facts

void fold(TaskState& state, const StopRequested& fact, Now now) {
  if (state.stopped_ms() != 0) return;
  want_stop(state, fact.code, fact.reason.empty() ? "Task stopped by user" : fact.reason, now);
  if (fact.force) state.set_force(true);
}

void fold(TaskState& state, const PullBegan& fact, Now now) {
  const std::int64_t began = or_now(fact.at_ms, now);
  if (state.pull_started_ms() == 0 || began < state.pull_started_ms()) state.set_pull_started_ms(began);
}

void fold(TaskState& state, const PullEnded& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (container.phase() != ContainerState::PHASE_PULLING) return;
  fold(state, PullBegan{fact.began_ms}, now);
  container.set_pull_stopped_ms(now.ms);
  if (!fact.failure.empty()) {
    end_container(container, now, fact.failure);
    return;
  }
  container.set_phase(ContainerState::PHASE_PULLED);
  container.set_image_digest(fact.image_digest);
  container.set_image_id(fact.image_id);
  container.set_stop_signal(fact.stop_signal);
}

void fold(TaskState& state, const LaunchEnded& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (container.phase() != ContainerState::PHASE_LAUNCHING || fact.run != container.restart_count()) return;
  if (fact.outcome != LaunchEnded::Outcome::Started) {
    end_container(container, now, fact.failure);
    return;
  }
  container.set_phase(ContainerState::PHASE_RUNNING);
  const std::int64_t started = or_now(fact.started_ms, now);
  if (!has_run(container)) container.set_started_ms(started);
  if (container.has_health()) begin_health(*container.mutable_health(), started);
  container.set_runtime_id(fact.runtime_id);
  if (!fact.notice.empty()) container.set_reason(clean_text(fact.notice));
  container.clear_network_bindings();
  for (const auto& binding : fact.network_bindings) *container.add_network_bindings() = binding;
}

bool is_restarted(const ContainerPlan& plan, const TaskState& state, const ContainerState& container, const Exited& fact,
                  std::int64_t ended_ms) {
  if (!plan.restart || state.stop_wanted() || !fact.exit_code) return false;
  const auto& ignored = plan.restart->ignored_exit_codes;
  if (std::find(ignored.begin(), ignored.end(), *fact.exit_code) != ignored.end()) return false;
  const std::int64_t last = container.restarted_ms() != 0 ? container.restarted_ms() : container.started_ms();
  return ended_ms - last >= plan.restart->attempt_period_ms;
}

// The same container, once more: its image, network, files and log stay.
void restart_container(ContainerState& container, std::int64_t ended_ms) {
  container.set_phase(ContainerState::PHASE_LAUNCHING);
  container.set_restart_count(container.restart_count() + 1);
  container.clear_launch_boot_id();
  container.set_restarted_ms(ended_ms);
  if (container.has_health()) begin_health(*container.mutable_health(), ended_ms);
}

void fold(const TaskPlan& plan, TaskState& state, const Exited& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (container.phase() != ContainerState::PHASE_RUNNING || fact.run != container.restart_count()) return;
  const std::int64_t ended = or_now(fact.at_ms, now);
  container.clear_exit_code();
  if (fact.exit_code) container.set_exit_code(*fact.exit_code);
  if (is_restarted(plan.containers[fact.container], state, container, fact, ended)) {
    restart_container(container, ended);
    return;
  }
  container.clear_reason();  // a notice about the running one
  end_container(container, Now{ended}, {});
  if (!fact.exit_code) {
    container.set_reason("ContainerVanishedError: The container's monitor is gone and left no exit code");
  }
  if (fact.out_of_memory) {
    container.set_reason("OutOfMemoryError: Container killed due to memory usage");
  }
}

void fold(const TaskPlan& plan, TaskState& state, const HealthChecked& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (container.phase() != ContainerState::PHASE_RUNNING || fact.run != container.restart_count()) return;
  // A stop ends the checks as it ends the program: neither says how the container was.
  if (state.stop_wanted() || fact.result.cancelled) return;
  const auto& health = plan.containers[fact.container].health;
  if (health) fold_health(*health, *container.mutable_health(), fact.result, now.ms);
}

void fold(TaskState& state, const SignalEnded& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (container.phase() != ContainerState::PHASE_RUNNING) return;
  if (fact.kill) {
    container.set_kill_next_ms(now.ms + (fact.sent ? kKillAgainMs : retry_after_ms(1)));
  } else {
    // A stop signal that cannot be sent is followed by SIGKILL at its time, so it is not tried again.
    container.set_signal_sent(true);
  }
}

void fold(TaskState& state, const RemoveEnded& fact, Now now) {
  ContainerState& container = at(state, fact.container);
  if (!needs_removal(container)) return;
  if (fact.removed) {
    container.set_removed(true);
    return;
  }
  container.set_remove_failures(container.remove_failures() + 1);
  container.set_remove_retry_ms(now.ms + retry_after_ms(container.remove_failures()));
}

void fold(TaskState& state, const CleanupEnded& fact, Now now) {
  if (state.cleaned()) return;
  if (fact.cleaned) {
    state.set_cleaned(true);
    return;
  }
  state.set_cleanup_failures(state.cleanup_failures() + 1);
  state.set_cleanup_retry_ms(now.ms + retry_after_ms(state.cleanup_failures()));
}

void fold(TaskState& state, const Forgotten&, Now) {
  if (state.stopped_ms() != 0) state.set_forgotten(true);
}

// ---- Decisions

bool dependents_stopped(const TaskPlan& plan, const TaskState& state, std::size_t container) {
  const auto& dependents = plan.containers[container].dependents;
  return std::all_of(dependents.begin(), dependents.end(),
                     [&](std::size_t d) { return is_stopped(at(state, d)); });
}

bool begin_container(const TaskPlan& plan, TaskState& state, std::size_t i, Now now) {
  ContainerState& container = at(state, i);
  if (!is_before_launch(container)) return false;
  if (state.stop_wanted()) {
    end_container(container, now, {});
    return true;
  }
  const Gate before = gate(plan, state, i, now.ms);
  if (before.is == Gate::Is::Lost) {
    // ECS gives a container that a failed dependency keeps from starting the exit code of SIGTERM.
    end_container(container, now, before.why);
    container.set_exit_code(143);
    return true;
  }
  if (before.is == Gate::Is::Shut || container.phase() != ContainerState::PHASE_PULLED) return false;
  container.set_phase(ContainerState::PHASE_LAUNCHING);
  container.set_launched(true);
  return true;
}

bool stop_container(const TaskPlan& plan, TaskState& state, std::size_t i, Now now) {
  ContainerState& container = at(state, i);
  if (container.phase() != ContainerState::PHASE_RUNNING || !state.stop_wanted()) return false;
  bool changed = false;
  if (container.signal_ms() == 0 && (state.force() || dependents_stopped(plan, state, i))) {
    container.set_signal_ms(now.ms);
    changed = true;
  }
  if (container.signal_ms() == 0 || container.kill_next_ms() != 0) return changed;
  if (state.force() || now.ms >= container.signal_ms() + plan.containers[i].stop_timeout_ms) {
    container.set_kill_next_ms(now.ms);
    changed = true;
  }
  return changed;
}

bool end_with_essential(const TaskPlan& plan, TaskState& state, std::size_t i, Now now) {
  const ContainerState& container = at(state, i);
  if (!plan.containers[i].essential || !is_stopped(container)) return false;
  bool changed = false;
  if (state.execution_stopped_ms() == 0 && has_run(container)) {
    state.set_execution_stopped_ms(container.stopped_ms());
    changed = true;
  }
  if (state.stop_wanted()) return changed;
  if (has_run(container)) {
    want_stop(state, v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED, "Essential container in task exited", now);
  } else {
    want_stop(state, v1::STOP_CODE_TASK_FAILED_TO_START,
              container.reason().empty() ? "Task failed to start" : container.reason(), now);
  }
  return true;
}

bool move_task(TaskState& state, Now now) {
  const auto& all = state.containers();
  bool changed = false;
  if (state.pull_stopped_ms() == 0 && state.pull_started_ms() != 0 &&
      std::none_of(all.begin(), all.end(), [](const ContainerState& c) {
        return c.phase() == ContainerState::PHASE_PULLING;
      })) {
    std::int64_t last = 0;
    for (const auto& container : all) last = std::max(last, container.pull_stopped_ms());
    state.set_pull_stopped_ms(or_now(last, now));
    changed = true;
  }
  if (state.started_ms() == 0 && !state.stop_wanted() &&
      std::all_of(all.begin(), all.end(), [](const ContainerState& c) {
        return is_up(c) || is_stopped(c);
      })) {
    state.set_started_ms(now.ms);
    changed = true;
  }
  // What cannot be cleaned up must not hold the task back for good; the attempts go on.
  const bool stuck = state.cleanup_failures() >= kFailuresBeforeStopped ||
                     std::any_of(all.begin(), all.end(), [](const ContainerState& c) {
                       return c.remove_failures() >= kFailuresBeforeStopped;
                     });
  if (state.stopped_ms() == 0 && (state.cleaned() || stuck) &&
      std::all_of(all.begin(), all.end(), is_stopped)) {
    state.set_stopped_ms(now.ms);
    changed = true;
  }
  return changed;
}

bool decide(const TaskPlan& plan, TaskState& state, Now now) {
  bool changed = false;
  // Each decision moves a phase or sets a mark that is never taken back, so this ends.
  for (bool again = true; again;) {
    again = false;
    // All ends are seen before anything is begun: a container is not launched in a task that is about to stop.
    for (std::size_t i = 0; i < plan.containers.size(); ++i) again |= end_with_essential(plan, state, i, now);
    again |= move_task(state, now);
    for (std::size_t i = 0; i < plan.containers.size() && !again; ++i) again |= begin_container(plan, state, i, now);
    for (std::size_t i = 0; i < plan.containers.size(); ++i) again |= stop_container(plan, state, i, now);
    changed |= again;
  }
  return changed;
}

bool checks_health(const ContainerPlan& plan, const TaskState& state, const ContainerState& container) {
  return plan.health && container.has_health() && container.phase() == ContainerState::PHASE_RUNNING &&
         !state.stop_wanted();
}

// What of the state has to be on disk before anything comes of it.
std::string durable_bytes(const TaskState& state) {
  const auto& all = state.containers();
  if (std::none_of(all.begin(), all.end(), [](const ContainerState& c) { return c.health().checked_ms() != 0; })) {
    return state.SerializeAsString();
  }
  TaskState copy = state;
  for (auto& container : *copy.mutable_containers()) {
    if (!container.has_health()) continue;
    container.mutable_health()->clear_checked_ms();
    container.mutable_health()->clear_exit_code();
    container.mutable_health()->clear_output();
  }
  return copy.SerializeAsString();
}

bool wants_cleanup(const TaskState& state) {
  const auto& all = state.containers();
  return !state.cleaned() && std::all_of(all.begin(), all.end(), [](const ContainerState& c) {
    return is_stopped(c) && !needs_removal(c);
  });
}

}  // namespace

TaskState new_task(const TaskPlan& plan) {
  TaskState state;
  for (const auto& container : plan.containers) {
    ContainerState* entry = state.add_containers();
    entry->set_name(container.name);
    entry->set_phase(ContainerState::PHASE_PULLING);
    if (container.health) entry->mutable_health();
  }
  return state;
}

bool step(const TaskPlan& plan, TaskState& state, const Fact& fact, Now now) {
  const std::string before = durable_bytes(state);
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { fold(plan, state, one, now); }) {
          fold(plan, state, one, now);
        } else {
          fold(state, one, now);
        }
      },
      fact);
  decide(plan, state, now);
  return durable_bytes(state) != before;
}

bool step(const TaskPlan& plan, TaskState& state, Now now) { return decide(plan, state, now); }

void mark_launches(TaskState& state, const std::string& boot_id) {
  for (ContainerState& container : *state.mutable_containers()) {
    if (container.phase() == ContainerState::PHASE_LAUNCHING && container.launch_boot_id().empty()) {
      container.set_launch_boot_id(boot_id);
    }
  }
}

std::vector<Action> wanted(const TaskPlan& plan, const TaskState& state, Now now) {
  using Kind = Action::Kind;
  std::vector<Action> out;
  for (std::size_t i = 0; i < plan.containers.size(); ++i) {
    const ContainerState& container = at(state, i);
    switch (container.phase()) {
      case ContainerState::PHASE_PULLING: out.push_back({Kind::Pull, i}); break;
      case ContainerState::PHASE_LAUNCHING:
        out.push_back({state.stop_wanted() ? Kind::FindLaunch : Kind::Launch, i});
        break;
      case ContainerState::PHASE_RUNNING:
        out.push_back({Kind::Watch, i});
        if (checks_health(plan.containers[i], state, container) &&
            now.ms >= health_due_ms(*plan.containers[i].health, container.health())) {
          out.push_back({Kind::CheckHealth, i});
        }
        if (container.signal_ms() != 0 && !container.signal_sent() && container.kill_next_ms() == 0) {
          out.push_back({Kind::Signal, i});
        }
        if (container.kill_next_ms() != 0 && now.ms >= container.kill_next_ms()) out.push_back({Kind::Kill, i});
        break;
      case ContainerState::PHASE_STOPPED:
        if (needs_removal(container) && now.ms >= container.remove_retry_ms()) out.push_back({Kind::Remove, i});
        break;
      default: break;
    }
  }
  if (wants_cleanup(state) && now.ms >= state.cleanup_retry_ms()) out.push_back({Kind::Cleanup, 0});
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<Now> next_wake(const TaskPlan& plan, const TaskState& state, Now now) {
  std::optional<std::int64_t> earliest;
  const auto consider = [&](std::int64_t ms) {
    if (ms > now.ms && (!earliest || ms < *earliest)) earliest = ms;
  };
  for (std::size_t i = 0; i < plan.containers.size(); ++i) {
    const ContainerState& container = at(state, i);
    if (is_before_launch(container) && !state.stop_wanted()) {
      if (const Gate before = gate(plan, state, i, now.ms); before.opens_not_after_ms) {
        consider(*before.opens_not_after_ms);
      }
    }
    if (container.phase() == ContainerState::PHASE_RUNNING && container.signal_ms() != 0) {
      consider(container.kill_next_ms() != 0 ? container.kill_next_ms()
                                             : container.signal_ms() + plan.containers[i].stop_timeout_ms);
    }
    if (checks_health(plan.containers[i], state, container)) {
      consider(health_due_ms(*plan.containers[i].health, container.health()));
    }
    if (needs_removal(container)) consider(container.remove_retry_ms());
  }
  if (wants_cleanup(state)) consider(state.cleanup_retry_ms());
  if (!earliest) return std::nullopt;
  return Now{*earliest};
}

bool is_over(const TaskState& state) { return state.stopped_ms() != 0 && state.cleaned(); }

}  // namespace berth::runtime
