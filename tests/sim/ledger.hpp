// SPDX-License-Identifier: Apache-2.0
// What the core writes about services, read along change by change and held to their rules: counted
// apart from the core, with arithmetic of its own.
//
// Invariant: a change that breaks a rule is thrown as a Violation when it is handed to the store,
// before anyone has heard of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "berth/model/stored.pb.h"
#include "core/model/instant.hpp"
#include "core/store/store.hpp"
#include "tests/support/memory_store.hpp"

namespace berth::sim {

// A promise of the core that was broken.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, const std::string& what) {
  if (!holds) throw Violation(what);
}

class Ledger {
 public:
  // Both outlive it. `capacity`: node -> CPU, as the world has it; `erased` is told of each task
  // whose record goes.
  struct World {
    const std::map<std::string, std::int64_t>& capacity;
    std::function<void(const std::string& task)> erased;
  };
  explicit Ledger(World world) : world_(std::move(world)) {}

  // Begins anew with what is durable.
  void begin(const test::MemoryDisk& disk);
  void read(const store::Batch& batch, Instant now);
  // What was answered: the task is not to be stopped by scale-in or deployments before then; 0: no
  // more.
  void promise_protection(const std::string& task, std::int64_t until_ms) {
    protected_until_[task] = until_ms;
  }
  // A start that leaves, with the digests that it pins.
  void start_leaves(const std::string& task, const std::map<std::string, std::string>& pins,
                    Instant now);
  // All counts once more, from the tasks.
  void sweep() const;

  // How often each change was seen: "task PENDING>RUNNING", "rollout IN_PROGRESS>FAILED", ...
  [[nodiscard]] const std::map<std::string, std::uint64_t>& histogram() const { return histogram_; }
  [[nodiscard]] const std::map<std::string, model::StoredService>& services() const {
    return services_;
  }
  [[nodiscard]] const model::StoredServiceDeployment* deployment(const std::string& service,
                                                                 const std::string& number) const;
  struct Task {
    std::string service;  // key: "cluster/name"; empty: standalone
    std::string deployment;
    std::string node;
    int status = 0;
    bool to_stop = false;
    bool checked = false;  // it has health checks
    std::string health;
    std::int64_t created_ms = 0;
    std::int64_t started_ms = 0;  // 0: not yet
    std::int64_t cpu = 0;
    bool pinned = false;  // made with digests
    bool mover = false;   // made to replace one in a fuller zone
    std::vector<std::uint32_t> ports{};
  };
  [[nodiscard]] const std::map<std::string, Task>& tasks() const { return tasks_; }
  [[nodiscard]] const std::set<std::string>& tasks_of(const std::string& service) const;
  // By the last record of its instance; empty where there was none.
  [[nodiscard]] const std::string& zone_of(const std::string& node) const;
  // A service's tasks that are not to stop and not on draining instances.
  [[nodiscard]] std::map<std::string, int> by_zone(const std::string& service) const;
  // Tasks on it that are not STOPPED and of no DAEMON service.
  [[nodiscard]] bool serves_others(const std::string& node) const;
  [[nodiscard]] bool is_draining(const std::string& node) const {
    return draining_.count(node) > 0;
  }

 private:
  enum class Check { No, Yes };
  void read_one(const store::Change& change, Check check);
  void read_task(const store::Change& change, Check check);
  void read_deployment(const store::Change& change, Check check);
  void read_service(const store::Change& change, Check check);
  void hold(const Task& task, Check check);
  void give_back(const Task& task);
  void check_made(const std::string& id, const Task& task) const;
  void check_resolves(const std::string& id, const Task& task) const;
  void check_moved(const std::string& id, const Task& task) const;
  void check_stopped(const std::string& id, const Task& before, const model::StoredTask& now) const;
  void check_completed(const model::StoredServiceDeployment& deployment) const;
  void check_breaker(const std::string& service) const;
  void check_triggered(const model::StoredServiceDeployment& deployment) const;
  [[nodiscard]] bool is_healthy(const Task& task) const;
  // Tasks of this deployment that are to run, not on draining instances.
  [[nodiscard]] int staying_of(const std::string& service, const std::string& deployment,
                               const std::string& without) const;
  [[nodiscard]] int healthy_of(const std::string& service, const std::string& without) const;
  [[nodiscard]] int wanted_of(const std::string& service) const;
  void count(const std::string& what) { ++histogram_[what]; }

  World world_;
  Instant now_{};
  std::map<std::string, std::int64_t> cpu_on_;  // of tasks that are not STOPPED, by node
  std::map<std::string, std::set<std::uint32_t>> ports_on_;
  std::map<std::string, std::int64_t> stopped_ms_;  // when tasks were first seen STOPPED
  std::map<std::string, model::StoredService> services_;
  std::map<std::string, model::StoredServiceDeployment> deployments_;  // by key
  std::map<std::string, Task> tasks_;
  std::map<std::string, std::set<std::string>> tasks_of_;  // not STOPPED, by service
  std::map<std::string, int> wanted_;                      // of these, not to stop
  std::set<std::string> draining_;                         // instances
  std::map<std::string, std::string> zones_;               // of instances
  std::set<std::string> with_checks_;                      // definitions, "family:revision"
  std::map<std::string, int> failed_starts_;               // by deployment
  std::set<std::string> over_;                // tasks that were once to stop, or STOPPED
  std::map<std::string, int> ended_;          // of these, by deployment
  std::map<std::string, int> least_desired_;  // of services that the batch changes
  std::vector<std::string> triggered_;        // deployments that it breaks
  std::set<std::string> have_run_;            // deployments
  std::map<std::string, std::int64_t> protected_until_;
  struct Pins {
    std::map<std::string, std::string> digests;
    std::int64_t since_ms = 0;
  };
  std::map<std::string, Pins> pinned_;  // by deployment
  std::map<std::string, std::uint64_t> histogram_;
};

}  // namespace berth::sim
