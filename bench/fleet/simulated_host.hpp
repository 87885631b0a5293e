// SPDX-License-Identifier: Apache-2.0
// One host of a fleet without the host: it joins, offers resources and speaks the agent's protocol
// as berth-agent does, but its tasks are entries in a map that run at once and end when they are
// told to.
//
// Threads: open() and the destructor are the owner's; all else happens on the clients' loop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "sdk/fleet/client.hpp"
#include "sdk/fleet/loop.hpp"

namespace berth::bench {

// What all hosts of a run have together. Threads: any.
class FleetCounts {
 public:
  void connect();
  void disconnect();
  // False where fewer are connected at the deadline.
  bool await_connected(int hosts, std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] int connected() const;

  std::atomic<int> lost{0};  // connections that ended
  std::atomic<std::int64_t> started{0};
  std::atomic<std::int64_t> stopped{0};
  // Tasks that were sent to a host that had not what they take: CPU, memory, or a device's share.
  std::atomic<std::int64_t> overbooked{0};

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int connected_ = 0;
};

struct HostPlan {
  fleet::Endpoint server{};
  std::string join_token{};
  std::filesystem::path directory{};  // of its identity
  int number = 0;
  int zones = 1;
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int32_t gpus = 0;
  std::string gpu_model{};
  std::map<std::string, std::string> attributes{};  // besides those that each has
};

class SimulatedHost {
 public:
  static sdk::Result<std::unique_ptr<SimulatedHost>> open(const HostPlan& plan, FleetCounts& counts,
                                                          std::shared_ptr<fleet::Loop> loop);
  void start() { client_->start(); }

 private:
  // By what is offered: a device's id, or CPU or MEMORY.
  using Amounts = std::map<std::string, std::int64_t>;
  struct Task {
    v1::TaskReport report;  // the last one
    Amounts takes;
  };

  SimulatedHost(FleetCounts& counts, Amounts offers) : counts_(counts), left_(std::move(offers)) {}

  fleet::ClientEvents events();
  void take(const fleet::AgentCall& call);
  void begin(const fleet::AgentCall& call);
  void end(const fleet::AgentCall& call);
  void list(const fleet::AgentCall& call);
  void forget(const fleet::AgentCall& call);
  void book(const v1::StartTaskRequest& request, Amounts& takes);

  FleetCounts& counts_;
  Amounts left_;
  std::map<std::string, Task> tasks_;
  std::unique_ptr<fleet::Client> client_;
};

}  // namespace berth::bench
