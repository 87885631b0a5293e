// SPDX-License-Identifier: Apache-2.0
// The part of the ledger about services and their deployments.
#include <algorithm>

#include "tests/sim/ledger.hpp"

namespace berth::sim {
namespace {

using Deployment = model::StoredServiceDeployment;

// Once a rollout's line in the history has ended it stays as it is.
bool has_ended(const std::string& status) {
  return status != "IN_PROGRESS" && status != "ROLLBACK_IN_PROGRESS" && !status.empty();
}

// With the default configuration.
int threshold_of(int desired) {
  return std::clamp((desired + 1) / 2, 3, 200);
}

}  // namespace

void Ledger::read_service(const store::Change& change, Check check) {
  if (change.erase) {
    services_.erase(change.key);
    return;
  }
  model::StoredService in;
  in.ParseFromString(change.value);
  const auto known = services_.find(change.key);
  const std::string before = known == services_.end() ? "new" : known->second.status();
  if (check == Check::Yes && before != in.status()) count("service " + before + ">" + in.status());
  require(in.events_size() <= 100, "more than 100 events are kept: " + change.key);
  if (in.status() == "INACTIVE") {
    require(tasks_of(change.key).empty(), "a service ended before its tasks: " + change.key);
  }
  least_desired_[change.key] = known == services_.end()
                                   ? in.desired_count()
                                   : std::min(in.desired_count(), known->second.desired_count());
  services_[change.key] = std::move(in);
}

void Ledger::read_deployment(const store::Change& change, Check check) {
  if (change.erase) {
    deployments_.erase(change.key);
    return;
  }
  Deployment in;
  in.ParseFromString(change.value);
  const auto known = deployments_.find(change.key);
  if (known != deployments_.end() && check == Check::Yes) {
    const Deployment& before = known->second;
    require(before.rollout() != Deployment::ROLLOUT_FAILED ||
                in.rollout() == Deployment::ROLLOUT_FAILED,
            "a deployment that had failed goes on: " + change.key);
    require(!has_ended(before.status()) || before.status() == in.status(),
            "the history of a deployment changed: " + change.key);
    require(before.images_size() <= in.images_size(), "a pin was lost: " + change.key);
    for (int i = 0; i < before.images_size(); ++i) {
      require(before.images(i).image_digest() == in.images(i).image_digest(),
              "a pinned digest changed: " + change.key);
    }
    if (in.breaker_triggered() && !before.breaker_triggered()) triggered_.push_back(change.key);
    if (before.rollout() != in.rollout()) {
      count("rollout " + Deployment::Rollout_Name(before.rollout()) + ">" +
            Deployment::Rollout_Name(in.rollout()));
      if (in.rollout() == Deployment::ROLLOUT_COMPLETED) check_completed(in);
    }
    if (before.role() != in.role()) {
      count("role " + Deployment::Role_Name(before.role()) + ">" +
            Deployment::Role_Name(in.role()));
    }
    if (before.status() != in.status()) {
      count("deployment " + before.status() + ">" + in.status());
    }
  } else if (check == Check::Yes) {
    count("deployment new>" + in.status());
  }
  deployments_[change.key] = std::move(in);
}

// All that it should have, healthy, and nothing else.
void Ledger::check_completed(const Deployment& deployment) const {
  const std::string service = deployment.cluster() + "/" + deployment.service();
  const auto data = services_.find(service);
  if (data == services_.end()) return;
  int healthy = 0;
  for (const std::string& id : tasks_of(service)) {
    const Task& task = tasks_.at(id);
    // A DAEMON's last to leave.
    if (data->second.daemon() && is_draining(task.node) && serves_others(task.node)) continue;
    require(task.deployment == deployment.number(),
            "a deployment was completed beside older tasks: " + service);
    healthy += is_healthy(task) ? 1 : 0;
  }
  if (data->second.daemon()) return;
  require(healthy == data->second.desired_count(),
          "a deployment was completed without its healthy tasks: " + service);
}

// At least as many of its tasks must have ended, or are to.
void Ledger::check_triggered(const Deployment& deployment) const {
  const std::string service = deployment.cluster() + "/" + deployment.service();
  const auto data = services_.find(service);
  if (data == services_.end()) return;
  const auto ended = ended_.find(deployment.number());
  const int failures = ended == ended_.end() ? 0 : ended->second;
  const auto least = least_desired_.find(service);
  const int desired = least == least_desired_.end() ? data->second.desired_count() : least->second;
  require(failures >= threshold_of(desired), "the circuit breaker tripped too early: " + service +
                                                 " after " + std::to_string(failures) +
                                                 " ended tasks");
}

// Counted apart: starts that failed before any task of the deployment has run.
void Ledger::check_breaker(const std::string& service) const {
  const auto at = services_.find(service);
  if (at == services_.end() || at->second.status() != "ACTIVE") return;
  const model::StoredService& data = at->second;
  if (!data.deployment_configuration().deployment_circuit_breaker().enable() ||
      data.primary() == data.last_completed()) {
    return;
  }
  const Deployment* primary = deployment(service, data.primary());
  if (primary == nullptr || primary->rollout() != Deployment::ROLLOUT_IN_PROGRESS ||
      have_run_.count(data.primary()) > 0) {
    return;
  }
  const auto failed = failed_starts_.find(data.primary());
  if (failed == failed_starts_.end()) return;
  require(failed->second < threshold_of(data.desired_count()),
          "the circuit breaker did not trip: " + service + " after " +
              std::to_string(failed->second) + " failures");
}

}  // namespace berth::sim
