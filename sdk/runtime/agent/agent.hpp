// SPDX-License-Identifier: Apache-2.0
// The agent of a host: tasks on one side, its connection to the control plane on the other.
//
// Invariants: 1. A start is answered OK only when the task is on disk here. 2. Starts, stops, lists and forgets are carried
// out in the order in which they came. 3. What the control plane sends is checked before it is acted on. 4. Where the fleet
// has removed this host, no task stays on it.
// Threads: any.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "sdk/fleet/client.hpp"
#include "sdk/runtime/agent/config.hpp"
#include "sdk/runtime/agent/registry_link.hpp"
#include "sdk/runtime/devices/host_plugins.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {

class Agent {
 public:
  // Opens the tasks, goes on with them, writes the pid file, and begins to dial. `let_go` is called once, on a thread of the
  // agent's, when the fleet has removed this host and the last task has stopped. Errors: those of Tasks and fleet::Client.
  static sdk::Result<std::unique_ptr<Agent>> open(const AgentConfig& config, std::function<void()> let_go = {});

  // Says good-bye; containers run on.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

 private:
  Agent();
  sdk::Result<void> begin(const AgentConfig& config);
  sdk::Result<void> open_plugins(const AgentConfig& config);
  // What this host offers now, devices included.
  [[nodiscard]] fleet::v1::Registration offer() const;
  void offer_devices();
  [[nodiscard]] fleet::ClientEvents events();
  void call(fleet::AgentCall call);
  void carry_out(const fleet::AgentCall& call);
  void work();
  void reported(const v1::TaskReport& report);
  void end_tasks();
  // agent_streams.cpp
  void begin_stream(fleet::AgentCall call);
  void logs(const fleet::AgentCall& call, std::stop_token stop);
  void exec(const fleet::AgentCall& call, ExecInput& input, std::stop_token stop);
  void images(const fleet::AgentCall& call, const std::stop_token& stop);
  void input(std::uint64_t call, v1::StreamWrite write);
  void cancel(std::uint64_t call);
  void answer(std::uint64_t call, const sdk::Result<void>& result);

  struct Streaming {
    std::shared_ptr<ExecInput> input;
    std::jthread thread;
  };

  std::filesystem::path pid_file_;  // once it is written
  fleet::v1::Registration registration_;  // without devices
  std::vector<std::uint16_t> control_ports_;
  RegistryLink registry_;
  std::unique_ptr<HostPlugins> plugins_;  // nothing where the configuration names none
  std::unique_ptr<fleet::Client> client_;
  std::unique_ptr<Tasks> tasks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<fleet::AgentCall> queue_;
  bool ending_ = false;
  bool devices_changed_ = false;
  // Of a host that was removed: to be looked at again, since something may have stopped.
  bool removed_ = false;
  bool look_again_ = false;
  std::function<void()> let_go_;
  std::map<std::uint64_t, Streaming> streams_;     // by call
  std::deque<std::jthread> finished_;              // of those, to be joined
  std::thread worker_;
};

}  // namespace berth::runtime
