// SPDX-License-Identifier: Apache-2.0
// A Host that keeps its containers in memory, outlives engines as a machine outlives its agent, and can be told to fail.
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sdk/runtime/task/host.hpp"

namespace berth::runtime::testing {

// The machine: what is on it survives the Host that made it.
struct Machine {
  struct Container {
    int runs = 0;
    bool running = false;
    std::vector<int> signals;
    std::optional<int> exit_code;
    int runs_in_run = 0;       // of the run that `run` says
    std::uint32_t run = 0;
    int health = 0;            // what its check exits with
    int checks = 0;
  };
  std::mutex mutex;
  std::condition_variable moved;
  std::map<std::string, Container> containers;  // "TASK/NAME"
  std::set<std::string> swept_for;
  std::chrono::system_clock::time_point sweep_began{};
  std::chrono::system_clock::time_point sweep_lasts_until{};
  std::set<std::string> dropped_logs;
  std::string pull_failure;
  bool hold_pulls = false;
  bool hold_launches = false;  // as one that waits for a secret that does not come
  int held_launches = 0;
  bool ignore_sigterm = false;
  int most_pulls = 0;
  int pulls = 0;
};

class FakeHost : public Host {
 public:
  explicit FakeHost(Machine& machine) : machine_(machine) {}
  ~FakeHost() override { close(); }

  sdk::Result<void> check(const TaskSpec&) override { return {}; }

  sdk::Result<Pulled> pull(const TaskSpec&, std::size_t, const Progress&, std::stop_token cancel) override {
    std::unique_lock lock(machine_.mutex);
    machine_.most_pulls = std::max(machine_.most_pulls, ++machine_.pulls);
    const std::stop_callback wake(cancel, [this] { machine_.moved.notify_all(); });
    machine_.moved.notify_all();
    while (machine_.hold_pulls && !cancel.stop_requested()) machine_.moved.wait_for(lock, std::chrono::milliseconds(5));
    --machine_.pulls;
    if (cancel.stop_requested()) return sdk::fail(BERTH_CANCELLED, "CannotPullContainerError: cancelled");
    if (!machine_.pull_failure.empty()) return sdk::fail(BERTH_NOT_FOUND, machine_.pull_failure);
    return Pulled{"sha256:digest", "sha256:id", 0};
  }

  LaunchEnded launch(const TaskSpec& task, std::size_t container, const ContainerState& state, bool find_only,
                     std::stop_token cancel) override {
    std::unique_lock lock(machine_.mutex);
    LaunchEnded out;
    if (machine_.hold_launches && !find_only) {
      ++machine_.held_launches;
      machine_.moved.notify_all();
      while (!closing_ && !cancel.stop_requested()) machine_.moved.wait_for(lock, std::chrono::milliseconds(5));
      out.outcome = LaunchEnded::Outcome::NotStarted;
      return out;
    }
    auto& entry = machine_.containers[key(task, container)];
    out.outcome = LaunchEnded::Outcome::Started;
    if (state.restart_count() != entry.run && !find_only) {
      entry.run = state.restart_count();
      entry.runs_in_run = 0;
    }
    const bool has_run = state.restart_count() == entry.run && entry.runs_in_run > 0;
    if (!has_run && find_only) out.outcome = LaunchEnded::Outcome::NotStarted;
    if (!has_run && !find_only) {
      ++entry.runs;
      ++entry.runs_in_run;
      entry.running = true;
    }
    machine_.moved.notify_all();
    return out;
  }

  HealthResult check_health(const TaskSpec& task, std::size_t container, std::stop_token) override {
    const std::lock_guard lock(machine_.mutex);
    auto& entry = machine_.containers[key(task, container)];
    ++entry.checks;
    machine_.moved.notify_all();
    return {.exit_code = entry.health, .output = "checked"};
  }

  void watch(const TaskSpec& task, std::size_t container, std::function<void(Exited)> ended) override {
    const std::lock_guard lock(machine_.mutex);
    const std::string name = key(task, container);
    if (machine_.containers[name].running) {
      watches_[name] = std::move(ended);
    } else {
      ended(Exited{.container = 0, .exit_code = machine_.containers[name].exit_code});
    }
  }

  bool signal(const TaskSpec& task, std::size_t container, int number) override {
    const std::string name = key(task, container);
    {
      const std::lock_guard lock(machine_.mutex);
      machine_.containers[name].signals.push_back(number);
      if (number == 15 && machine_.ignore_sigterm) return true;
    }
    exit(name, 128 + number);
    return true;
  }

  bool remove(const TaskSpec& task, std::size_t container) override {
    const std::lock_guard lock(machine_.mutex);
    machine_.containers[key(task, container)].running = false;
    return true;
  }
  bool cleanup(const TaskSpec&) override { return true; }
  bool drop_logs(const std::string& task_id) override {
    const std::lock_guard lock(machine_.mutex);
    machine_.dropped_logs.insert(task_id);
    machine_.moved.notify_all();
    return true;
  }
  void sweep(const std::vector<TaskSpecPtr>& tasks, const std::set<std::string>&) override {
    std::unique_lock lock(machine_.mutex);
    machine_.sweep_began = std::chrono::system_clock::now();
    machine_.moved.wait_until(lock, machine_.sweep_lasts_until, [] { return false; });
    machine_.swept_for.clear();
    for (const auto& task : tasks) machine_.swept_for.insert(task->request.task_id());
  }
  void begin_close() override {
    const std::lock_guard lock(machine_.mutex);
    closing_ = true;
  }
  void close() override {
    const std::lock_guard lock(machine_.mutex);
    watches_.clear();
  }

  // The program ends by itself.
  void exit(const std::string& name, int code) {
    std::function<void(Exited)> ended;
    {
      const std::lock_guard lock(machine_.mutex);
      auto& entry = machine_.containers[name];
      if (!entry.running) return;
      entry.running = false;
      entry.exit_code = code;
      if (const auto found = watches_.find(name); found != watches_.end()) {
        ended = std::move(found->second);
        watches_.erase(found);
      }
      machine_.moved.notify_all();
    }
    if (ended) ended(Exited{.container = 0, .exit_code = code});
  }

 private:
  static std::string key(const TaskSpec& task, std::size_t container) {
    return task.request.task_id() + "/" + task.plan.containers[container].name;
  }
  Machine& machine_;
  bool closing_ = false;
  std::map<std::string, std::function<void(Exited)>> watches_;
};

}  // namespace berth::runtime::testing
