// SPDX-License-Identifier: Apache-2.0
// The tasks of one deployment that scale-in may choose among: RUNNING, wanted, not protected, not
// on a draining instance. Placement keeps them in order, so that a choice costs what has changed.
//
// Made when the deployment is first scaled in (which looks at its tasks once), and told of each
// change from then on. Threads: loop.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/control/placer.hpp"
#include "core/control/services/roster.hpp"

namespace berth::control {

class Leavers {
 public:
  struct Of {
    ClusterName cluster;
    DeploymentNumber deployment;
  };
  // The placer outlives it.
  Leavers(Placer& placer, Of of, const Roster& roster);
  ~Leavers();
  Leavers(const Leavers&) = delete;
  Leavers& operator=(const Leavers&) = delete;

  [[nodiscard]] const DeploymentNumber& deployment() const { return of_.deployment; }
  // The roster has the task as `after` now and had it as `before`; null: not at all.
  void moved(const TaskId& id, const Member* before, const Member* after);
  // Up to `count` of those with this standing (Starting or Healthy), the first one first: fewer
  // where placement does not know their nodes now. Of those that tie the newest goes first. Errors:
  // as Placer::place.
  [[nodiscard]] Result<std::vector<TaskId>> choose(const Demand& demand, Standing standing,
                                                   placement::LeaversQuestion question);

 private:
  [[nodiscard]] bool has(const Member* member) const;

  Placer& placer_;
  Of of_;
  std::array<placement::LeaversId, 2> ids_;  // Starting, Healthy
};

}  // namespace berth::control
