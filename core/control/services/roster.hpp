// SPDX-License-Identifier: Apache-2.0
// The tasks of one service that are not STOPPED, counted by deployment and by what they are good
// for.
//
// Kept by the change: a task that moves costs O(log n), a count nothing, a pick the tasks that it
// gives and the protected ones. Threads: loop.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/control/services/decide.hpp"
#include "core/model/records.hpp"
#include "core/placement/types.hpp"

namespace berth::control {

// What a task that is not STOPPED is good for.
enum class Standing { Pending, Starting, Healthy, Unhealthy, Stopping };

struct Member {
  DeploymentNumber deployment;
  NodeId node;
  Standing standing = Standing::Pending;
  bool draining = false;  // its instance is
  bool guarded = false;   // protected from scale-in and deployments
  bool mover = false;     // made to replace one in a fuller zone
  std::string zone;       // of its node; empty where it says nothing
  std::string provider;   // of capacity; empty where a launch type was asked for
  Instant created_at;
  // None where placement does not know its node now.
  placement::ReservationId reservation = placement::ReservationId::None;
  // Where it stood before it began to stop; unknown after a restart, and then nobody's failure.
  Standing before_stopping = Standing::Healthy;
  bool operator==(const Member&) const = default;
};

class Roster {
 public:
  // Takes a task in, or brings it up to date. True where something changed.
  bool put(const TaskId& id, const Member& member);
  bool drop(const TaskId& id);
  [[nodiscard]] const Member* find(const TaskId& id) const;

  [[nodiscard]] bool empty() const { return members_.empty(); }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  // Those that are guarded and not to stop, of all deployments.
  [[nodiscard]] int guarded() const { return guarded_; }
  [[nodiscard]] Team team(const DeploymentNumber& deployment) const;
  // Of one deployment, without zones that have none.
  struct InZone {
    int tasks = 0;    // that are not to stop, on instances that are not draining
    int movable = 0;  // of these: healthy, and not guarded
  };
  [[nodiscard]] const std::map<std::string, InZone>& by_zone(
      const DeploymentNumber& deployment) const;
  // Of one deployment, that are not to stop, by capacity provider.
  [[nodiscard]] const std::map<std::string, int>& by_provider(
      const DeploymentNumber& deployment) const;
  // Those with tasks.
  [[nodiscard]] std::vector<DeploymentNumber> deployments() const;
  [[nodiscard]] const std::set<TaskId>& on(const NodeId& node) const;
  // Nodes with tasks of the service.
  [[nodiscard]] const std::map<NodeId, std::set<TaskId>>& by_node() const { return on_; }

  struct Kind {
    DeploymentNumber deployment;
    Standing standing = Standing::Pending;
    bool draining = false;
  };
  struct Choice {
    std::size_t count = 0;
    bool guarded_too = false;
    bool newest_first = false;
  };
  // In the order of their making.
  [[nodiscard]] std::vector<TaskId> pick(const Kind& kind, Choice choice) const;

 private:
  static constexpr std::size_t kStandings = 5;
  using Group = std::set<std::pair<Instant, TaskId>>;
  struct Squad {
    std::array<std::array<Group, 2>, kStandings> groups;   // by standing and draining
    std::array<std::array<int, 2>, kStandings> guarded{};  // of these
    std::map<std::string, InZone> zones;
    std::map<std::string, int> providers;
    int movers = 0;
    std::size_t size = 0;
  };
  void count(const TaskId& id, const Member& member, int sign);
  static void count_zone(Squad& squad, const Member& member, int sign);

  std::map<TaskId, Member> members_;
  int guarded_ = 0;
  std::map<DeploymentNumber, Squad> squads_;
  std::map<NodeId, std::set<TaskId>> on_;
};

}  // namespace berth::control
