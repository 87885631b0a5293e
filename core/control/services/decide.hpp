// SPDX-License-Identifier: Apache-2.0
// What a REPLICA service is to do next: how many tasks to start and how many of which kind to stop.
// A pure function of counts; who is started where, and which tasks of a kind stop, is chosen
// elsewhere.
//
// What it promises (decide_test.cpp holds it to that): starts never bring the tasks that are
// RUNNING or PENDING over the upper bound; stops never bring the healthy ones below the lower one;
// protected tasks are stopped only where they stand in no list of protection (draining, failed
// health); the same picture gives the same decision; where a picture does not change by its
// decision, the decision is empty. Threads: any.
#pragma once

#include <vector>

#include "core/control/services/percent.hpp"

namespace berth::control {

// Tasks that are not to stop, by how far they have come.
struct Tally {
  int pending = 0;   // not RUNNING yet
  int starting = 0;  // RUNNING, not known to be healthy
  int healthy = 0;
  int unhealthy = 0;  // their checks failed, and the grace period is over

  [[nodiscard]] int total() const { return pending + starting + healthy + unhealthy; }
  bool operator==(const Tally&) const = default;
};

// The tasks of one deployment.
struct Team {
  Tally staying{};          // all but those on draining instances
  Tally draining{};         // on draining instances
  Tally protected_tasks{};  // of `staying`: not to be stopped by scale-in and deployments
  int stopping = 0;         // told to stop, and not STOPPED
  int movers = 0;           // of `staying`: not healthy yet, and to replace one that is elsewhere
};

struct ReplicaPicture {
  int desired = 0;
  Bounds bounds{};
  bool may_start = true;  // the plans are there, and no throttle holds starts back
  bool failed =
      false;  // the breaker has tripped and nothing was rolled back: what runs is left alone
  bool deleting = false;  // protection ends with the service
  Team primary{};
  std::vector<Team> old{};  // oldest first
};

// Tasks of one deployment to stop, by kind.
struct Stops {
  Tally staying{};
  Tally draining{};
  [[nodiscard]] int total() const { return staying.total() + draining.total(); }
  bool operator==(const Stops&) const = default;
};

struct ReplicaDecision {
  int start = 0;
  Stops primary;
  std::vector<Stops> old;  // beside the picture's
  // Neither a start nor a stop is possible within the bounds, and nothing is under way that could
  // change that.
  bool stuck = false;
  // More tasks are protected than the service is to have.
  bool blocked_by_protection = false;
  [[nodiscard]] int stops() const;
};

[[nodiscard]] ReplicaDecision decide(const ReplicaPicture& picture);

// ---- DAEMON

struct DaemonPicture {
  int eligible = 0;  // instances that are to have a task
  Percentages percentages{0, 100};
  bool may_start = true;
  bool failed = false;
  int healthy = 0;           // tasks that are healthy on eligible instances, of any deployment
  int vacant = 0;            // eligible instances without a task of the service that is not STOPPED
  int outdated_healthy = 0;  // on eligible instances, of older deployments
  int outdated_unready = 0;  // likewise, not healthy
  int unhealthy = 0;         // of the PRIMARY deployment, their checks failed
  int surplus = 0;           // on instances that are to have none, or the second one on an instance
};
struct DaemonDecision {
  int start = 0;  // on vacant instances
  int stop_outdated_healthy = 0;
  int stop_outdated_unready = 0;
  int stop_unhealthy = 0;
  int stop_surplus = 0;
};
// The old task goes before the new one comes: an instance never has two.
[[nodiscard]] DaemonDecision decide(const DaemonPicture& picture);

}  // namespace berth::control
