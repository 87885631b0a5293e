// SPDX-License-Identifier: Apache-2.0
// The instances of a DAEMON service: which are to have a task, and what they have.
//
// Kept by the change: an instance that is looked at anew costs its own tasks. Threads: loop.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/control/services/decide.hpp"
#include "core/control/services/roster.hpp"

namespace berth::control {

class Posts {
 public:
  // Looks at a node anew. Last: it is to have none, but what is there stays until all other tasks
  // are gone.
  enum class Wanted { Yes, No, Last };
  void look(const NodeId& node, Wanted wanted, const Roster& roster,
            const DeploymentNumber& primary);
  void clear();

  [[nodiscard]] int eligible() const { return static_cast<int>(eligible_.size()); }
  [[nodiscard]] bool is_eligible(const NodeId& node) const { return eligible_.count(node) > 0; }
  // The counts in it.
  void describe(DaemonPicture& picture) const;
  // All posts have a healthy task of the PRIMARY deployment, and nothing else is there.
  [[nodiscard]] bool steady() const;

  [[nodiscard]] const std::set<NodeId>& vacant() const { return vacant_; }
  using Tasks = std::set<std::pair<NodeId, TaskId>>;
  [[nodiscard]] const Tasks& outdated_healthy() const { return outdated_healthy_; }
  [[nodiscard]] const Tasks& outdated_unready() const { return outdated_unready_; }
  [[nodiscard]] const Tasks& unhealthy() const { return unhealthy_; }
  [[nodiscard]] const Tasks& surplus() const { return surplus_; }

 private:
  void forget(const NodeId& node);

  std::set<NodeId> eligible_;
  std::set<NodeId> vacant_;
  Tasks current_healthy_;
  Tasks outdated_healthy_;
  Tasks outdated_unready_;
  Tasks unhealthy_;
  Tasks surplus_;
};

}  // namespace berth::control
