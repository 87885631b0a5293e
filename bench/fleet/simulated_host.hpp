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
#include <vector>

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

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int connected_ = 0;
};

struct HostPlan {
  fleet::Endpoint server;
  std::string join_token;
  std::filesystem::path directory;  // of its identity
  int number = 0;
  int zones = 1;
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::map<std::string, std::string> attributes{};  // besides those that each has
};

class SimulatedHost {
 public:
  static sdk::Result<std::unique_ptr<SimulatedHost>> open(const HostPlan& plan, FleetCounts& counts,
                                                          std::shared_ptr<fleet::Loop> loop);
  void start() { client_->start(); }

 private:
  explicit SimulatedHost(FleetCounts& counts) : counts_(counts) {}

  fleet::ClientEvents events();
  void take(const fleet::AgentCall& call);
  void begin(const fleet::AgentCall& call);
  void end(const fleet::AgentCall& call);
  void list(const fleet::AgentCall& call);
  void forget(const fleet::AgentCall& call);

  FleetCounts& counts_;
  std::map<std::string, v1::TaskReport> tasks_;  // the last report of each
  std::unique_ptr<fleet::Client> client_;
};

}  // namespace berth::bench
