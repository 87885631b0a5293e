// SPDX-License-Identifier: Apache-2.0
// The orchestrator: one deterministic state machine of reconcilers.
//
// Inputs are commands, plugin events, completions and ticks; outputs are store batches, plugin
// calls, answers and one wake-up. The same inputs in the same order give the same outputs: no
// clock, no chance, no I/O of its own.
//
// Invariants: 1. No effect (answer, plugin call) leaves before the batch that records its cause is
// durable.
// 2. Effects leave in the order of their causes. 3. A task's statuses only move forward.
// Threads: loop, all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/control/commands.hpp"
#include "core/control/frontend.hpp"
#include "core/control/state.hpp"
#include "core/control/strategies.hpp"
#include "core/model/arn.hpp"
#include "core/model/instant.hpp"
#include "core/model/subnet.hpp"
#include "core/placement/engine.hpp"
#include "core/store/store.hpp"

namespace berth::control {

struct ServiceRules;  // services/rules.hpp

struct Config {
  Realm realm;
  std::string default_cluster = "default";  // made at first start, as ECS accounts have it
  milliseconds stopped_task_retention = std::chrono::hours(1);
  milliseconds token_retention = std::chrono::hours(24);
  milliseconds plugin_call_timeout = std::chrono::seconds(30);
  // How often each plugin is asked for all that it holds: mends what a lost report left behind.
  milliseconds audit_interval = std::chrono::seconds(60);
  // How long a plugin must have shown a task without a record before it is stopped.
  milliseconds unrecorded_task_grace = std::chrono::minutes(2);
  // How many placement requests are kept compiled, and how long one stays that nobody uses.
  std::size_t compiled_requests = 1024;  // at least 1
  milliseconds compiled_request_idle = std::chrono::minutes(10);
  // A service's task without health checks is healthy once it has been RUNNING for so long (ECS: 40
  // s).
  milliseconds service_healthy_after = std::chrono::seconds(40);
  // A service's task that exits before it is healthy counts as failed for the circuit breaker (ECS:
  // no).
  bool early_exits_fail_deployments = true;
  // Null: kServiceRules. Outlives the Control.
  const ServiceRules* service_rules = nullptr;
  StrategyRules strategies;  // checked
  placement::EngineOptions engine{};  // of each cluster
  NetworkSettings networks;  // of tasks with the network mode awsvpc
};

// How the core reaches plugins. `done` is called later, on the loop, exactly once; never from
// within call().
class PluginCalls {
 public:
  virtual ~PluginCalls() = default;
  virtual void call(const PluginName& plugin, std::uint32_t method, std::string request,
                    milliseconds timeout, std::function<void(Result<std::string>)> done) = 0;
};

// Stands around each placement decision, so that its owner may time and count them: the core itself
// reads no clock, and what is measured changes nothing. Called on the loop; must not block.
class DecisionMeter {
 public:
  virtual ~DecisionMeter() = default;
  // A decision about one task begins; end() follows within the same call of the core.
  virtual void begin() = 0;
  virtual void end(bool placed) = 0;
  // Of a call that left tasks without a place: how many instances refused the next task for this
  // reason (ECS's word).
  virtual void refused(const std::string& reason, int instances) = 0;
};

// What placement holds now.
struct PlacementStats {
  std::size_t nodes = 0;
  std::size_t reservations = 0;
  std::size_t compiled_requests = 0;  // kept
  std::uint64_t compilations = 0;     // made since the start
};

// What the core must know of a plugin; from its manifest and configuration.
struct LaunchPlugin {
  PluginName name;
  std::vector<std::string> launch_types;
  std::vector<std::string> capacity_providers;
  bool hidden_nodes = false;
  std::vector<std::string> reclaimable_providers{};  // of capacity_providers: its tasks give way
};

struct Ports {
  store::Store& store;
  PluginCalls& plugins;
  Timers& timers;
  Rng& rng;
  std::function<void(Error)>
      halt;  // the store failed: nothing more is acknowledged, the owner must end the process
  // Runs a completion of the store on the loop; the store calls back from a thread of its own.
  std::function<void(std::function<void()>)> post;
  DecisionMeter* meter = nullptr;                     // null: decisions are not measured
  std::function<void(const std::string&)> warn = {};  // for the log; empty: nobody reads it
};

class Control {
 public:
  Control(Config config, Ports ports);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Takes over what the store loaded. Once, before all else.
  // Errors: Internal, for a record that cannot be read; its key is in `what`.
  [[nodiscard]] Result<void> restore(store::Loaded loaded, Instant now);

  // A plugin instance is up (again): it is asked what it owns, and its inventory is awaited before
  // anything is placed on it.
  void plugin_up(LaunchPlugin plugin);
  // It is gone or restarting: its nodes count as disconnected.
  void plugin_down(const PluginName& plugin);
  // An event of berth.launch/1 (v1::Event). Bytes that are no such message are counted and
  // otherwise ignored.
  void plugin_event(const PluginName& plugin, std::uint32_t event, std::string_view payload);

  // As the command RestServices: before the first tick, services never begin.
  void rest_services();
  // Any thread.
  [[nodiscard]] bool services_rest() const;

  void submit(Command command, Reply reply);
  void query(Query query);

  // Works off all inputs queued since the last tick, as one batch. The owner calls it after each
  // drain of its queue and when Timers fires. `now` never goes back (a clock that does is held).
  void tick(Instant now);

  // The time that the core goes by: that of the last tick, or, where the clock was set back before
  // restore, the newest that its records name. Ticks before it do not count, so the owner's clock
  // goes on from here.
  [[nodiscard]] Instant now() const;

  [[nodiscard]] const State& state() const;
  [[nodiscard]] PlacementStats placement_stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::control
