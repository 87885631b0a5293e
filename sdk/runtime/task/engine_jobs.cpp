// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/task/engine_loop.hpp"

namespace berth::runtime {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{250};

}  // namespace

void TaskEngine::Loop::arrange(Entry& entry) {
  const auto actions = wanted(entry.spec->plan, entry.state, entry.stepped);
  std::set<Action> slots;
  for (const Action& action : actions) {
    slots.insert(action.slot());
    const auto [at, is_new] = entry.under_way.try_emplace(action.slot());
    if (is_new) begin(entry, action, at->second.get_token());
  }
  for (auto& [slot, cancel] : entry.under_way) {
    // A launch that a stop overtakes need not wait for its secrets any more; what it comes to is
    // asked for as before.
    const bool overtaken = slot.kind == Action::Kind::Launch && entry.state.stop_wanted();
    if (!slots.contains(slot) || overtaken) cancel.request_stop();
  }
}

void TaskEngine::Loop::begin(Entry& entry, const Action& action, const std::stop_token& cancel) {
  using Kind = Action::Kind;
  const TaskSpecPtr spec = entry.spec;
  const std::size_t i = action.container;
  const int last = entry.state.containers_size() - 1;
  const ContainerState& container = entry.state.containers(std::min(static_cast<int>(i), last));
  switch (action.kind) {
    case Kind::Pull:
      pulls_.post([=, this] { do_pull(spec, i, cancel); });
      break;
    case Kind::Launch:
    case Kind::FindLaunch:
      starts_.post([=, this] { do_launch(spec, action, container, cancel); });
      break;
    case Kind::Watch:
      host_.watch(*spec, i, [this, spec, action, run = container.restart_count()](Exited exited) {
        exited.container = action.container;
        exited.run = run;
        post(FactMessage{spec->request.task_id(), exited, action});
      });
      break;
    case Kind::CheckHealth:
      checks_.post([=, this, run = container.restart_count()] {
        do_check_health(spec, action, run, cancel);
      });
      break;
    case Kind::Signal: {
      const int number = container.stop_signal() != 0 ? container.stop_signal() : SIGTERM;
      stops_.post([=, this] { do_signal(spec, action, number); });
      break;
    }
    case Kind::Kill:
      stops_.post([=, this] { do_signal(spec, action, SIGKILL); });
      break;
    case Kind::Remove:
      stops_.post([=, this] { do_remove(spec, action); });
      break;
    case Kind::Cleanup:
      stops_.post([=, this] { do_cleanup(spec, action); });
      break;
  }
}

void TaskEngine::Loop::do_pull(const TaskSpecPtr& spec, std::size_t container,
                               const std::stop_token& cancel) {
  const Action action{Action::Kind::Pull, container};
  const std::string& id = spec->request.task_id();
  const std::int64_t began = clock_.now().ms;
  auto last = std::chrono::steady_clock::now();
  bool resolved = false;
  BERTH_FAILPOINT("task.before_pull");
  auto pulled = host_.pull(
      *spec, container,
      [&](const v1::PullProgress& progress) {
        const auto now = std::chrono::steady_clock::now();
        // Others of a deployment wait for what the tag stands for.
        const bool news = !resolved && !progress.image_digest().empty();
        if (now - last < kProgressInterval && !news) return;
        last = now;
        resolved = resolved || news;
        post(ProgressMessage{id, container, began, progress});
      },
      cancel);
  BERTH_FAILPOINT("task.after_pull");
  PullEnded fact{.container = container,
                 .failure = {},
                 .image_digest = {},
                 .image_id = {},
                 .stop_signal = 0,
                 .began_ms = began};
  if (pulled) {
    fact.image_digest = pulled->image_digest;
    fact.image_id = pulled->image_id;
    fact.stop_signal = pulled->stop_signal;
  } else {
    fact.failure = pulled.error().message;
  }
  post(FactMessage{id, fact, action});
}

void TaskEngine::Loop::do_launch(const TaskSpecPtr& spec, const Action& action,
                                 const ContainerState& state, const std::stop_token& cancel) {
  BERTH_FAILPOINT("task.before_launch");
  // After a power cut the files that prove that a program never ran may be lost while it did.
  const std::string& boot = state.launch_boot_id();
  const bool lost_power = !boot.empty() && !options_.boot_id.empty() && boot != options_.boot_id;
  const bool find_only = lost_power || action.kind == Action::Kind::FindLaunch;
  LaunchEnded fact = host_.launch(*spec, action.container, state, find_only, cancel);
  BERTH_FAILPOINT("task.after_launch");
  if (lost_power && fact.outcome == LaunchEnded::Outcome::NotStarted) {
    fact.failure =
        "CannotStartContainerError: the host went down while the container was being started; it "
        "may have run";
  }
  fact.container = action.container;
  fact.run = state.restart_count();
  post(FactMessage{spec->request.task_id(), std::move(fact), action});
}

void TaskEngine::Loop::do_check_health(const TaskSpecPtr& spec, const Action& action,
                                       std::uint32_t run, const std::stop_token& cancel) {
  const std::int64_t began = clock_.now().ms;
  BERTH_FAILPOINT("task.before_health_check");
  HealthResult result;
  if (!cancel.stop_requested()) result = host_.check_health(*spec, action.container, cancel);
  BERTH_FAILPOINT("task.after_health_check");
  result.began_ms = began;
  result.cancelled = cancel.stop_requested() && !result.exit_code;
  post(FactMessage{spec->request.task_id(), HealthChecked{action.container, std::move(result), run},
                   action});
}

void TaskEngine::Loop::do_signal(const TaskSpecPtr& spec, const Action& action, int number) {
  BERTH_FAILPOINT("task.before_signal");
  const bool sent = host_.signal(*spec, action.container, number);
  BERTH_FAILPOINT("task.after_signal");
  post(FactMessage{spec->request.task_id(),
                   SignalEnded{action.container, action.kind == Action::Kind::Kill, sent}, action});
}

void TaskEngine::Loop::do_remove(const TaskSpecPtr& spec, const Action& action) {
  BERTH_FAILPOINT("task.before_remove");
  const bool removed = host_.remove(*spec, action.container);
  BERTH_FAILPOINT("task.after_remove");
  post(FactMessage{spec->request.task_id(), RemoveEnded{action.container, removed}, action});
}

void TaskEngine::Loop::do_cleanup(const TaskSpecPtr& spec, const Action& action) {
  BERTH_FAILPOINT("task.before_cleanup");
  const bool cleaned = host_.cleanup(*spec);
  BERTH_FAILPOINT("task.after_cleanup");
  post(FactMessage{spec->request.task_id(), CleanupEnded{cleaned}, action});
}

}  // namespace berth::runtime
