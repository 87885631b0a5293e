// SPDX-License-Identifier: Apache-2.0
// The records of services and their deployments: what becomes of them, one change at a time.
//
// Invariants: 1. A service that is not INACTIVE has one PRIMARY deployment. 2. A deployment's
// rollout ends once: COMPLETED or FAILED; only a rollback opens a COMPLETED one again. 3. A
// revision and a pinned digest never change. Threads: loop.
#pragma once

#include <functional>
#include <string>

#include "core/control/desk.hpp"
#include "core/control/services/breaker.hpp"
#include "core/control/services/events.hpp"

namespace berth::control {

// Whether a tag of the deployment's has yet to be resolved, once for all of its tasks.
[[nodiscard]] bool has_open_tags(const ServiceDeployment& deployment,
                                 const ecs::TaskDefinition& definition);

class Rollouts {
 public:
  using Resets = bool (*)(const model::DeploymentCircuitBreaker& breaker);
  Rollouts(Desk& desk, Resets resets) : desk_(desk), resets_(resets) {}

  // The change is saved where it changed something.
  void edit(const ServiceId& id, const std::function<void(model::StoredService&)>& change);
  void edit(const ServiceId& id, const DeploymentNumber& number,
            const std::function<void(model::StoredServiceDeployment&)>& change);
  void say(const ServiceId& id, const std::string& text, Repeat repeat = Repeat::Always);

  // A new PRIMARY deployment of what the service's record says now; the one before becomes ACTIVE.
  void begin(const ServiceId& id);

  // ---- What its tasks do
  void task_ran(const Task& task);
  void task_healthy(const Task& task);
  void task_ended(const Task& task, TaskEnd end);
  // Digests that this task was the first to resolve. Whether there were any.
  bool pin(const Task& task);

  // ---- How it ends
  // Where the PRIMARY deployment has failed often enough it becomes FAILED, or is rolled back.
  using Threshold = int (*)(const model::DeploymentCircuitBreaker& breaker, int desired);
  void break_if_due(const ServiceId& id, Threshold threshold);
  void complete(const ServiceId& id);
  // It has no tasks any more: history.
  void retire(const ServiceId& id, const DeploymentNumber& number);
  // What was under way (a rollout, a rollback) ends where it is.
  void close(const ServiceId& id, const std::string& reason);
  // StopServiceDeployment. Errors: Precondition, Subject::Request.
  [[nodiscard]] Result<void> abort(const ServiceId& id);
  [[nodiscard]] Result<void> roll_back(const ServiceId& id);

 private:
  struct Failure {
    std::string reason;           // of the rollout
    std::string rollback_reason;  // of the rollout that takes over, before the deployment's name
    bool rollback = false;
    bool tasks_failed = false;  // else somebody stopped it
  };
  void fail_primary(const ServiceId& id, const Failure& failure);
  [[nodiscard]] ServiceDeploymentPtr rollback_target(const Service& service) const;
  void drop_history(const ServiceId& id);
  [[nodiscard]] ServiceDeploymentPtr primary_of(const ServiceId& id) const;
  [[nodiscard]] std::string digits();
  [[nodiscard]] std::int64_t now_ms() const { return desk_.now().time_since_epoch().count(); }

  Desk& desk_;
  Resets resets_;
};

}  // namespace berth::control
