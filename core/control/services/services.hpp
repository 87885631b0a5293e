// SPDX-License-Identifier: Apache-2.0
// The service scheduler: sees to it that each service has the tasks that it should have.
//
// Events (a task that moved, a node that came, room that became free, a command) only mark
// services; the marked ones are brought on at the end of the tick, each by one decision from counts
// that follow every change. What cannot be done now is done when the event comes that allows it; an
// alarm is the net below. Invariants: 1. What a decision rests on is recorded in the same batch as
// what it leads to, or in an earlier one. 2. The counts are those of the records: after a restart
// they are counted anew. Threads: loop.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/control/delivery.hpp"
#include "core/control/launches.hpp"
#include "core/control/placer.hpp"
#include "core/control/plugins.hpp"
#include "core/control/reclaims.hpp"
#include "core/control/routes.hpp"
#include "core/control/services/leavers.hpp"
#include "core/control/services/posts.hpp"
#include "core/control/services/rollouts.hpp"
#include "core/control/services/roster.hpp"
#include "core/control/services/rules.hpp"
#include "core/control/services/standing.hpp"
#include "core/control/services/zones.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

// Launch::placed_by of tasks that replace one in a fuller zone.
inline constexpr const char* kRebalancing = "rebalancing";

class Services {
 public:
  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Routes& routes;
    Placer& placer;
    Networks& networks;
    Tasks& tasks;
    Delivery& delivery;
    Launches& launches;
    Rollouts& rollouts;
    Reclaims& reclaims;
  };
  explicit Services(Rooms rooms)
      : rooms_(rooms),
        rules_(rooms.desk.config().service_rules != nullptr ? *rooms.desk.config().service_rules
                                                            : kServiceRules) {}

  // Counts the tasks of all services. After tasks and nodes are restored.
  void restore();

  // ---- What has happened
  void task_changed(const Task& task);
  void node_changed(const ClusterName& cluster, const NodeId& node);
  void room_made(const ClusterName& cluster);
  void plugin_up();
  // Its record changed by a command: what held it up before may hold no more.
  void service_changed(const ServiceId& id);

  // How many of its tasks are protected now.
  [[nodiscard]] int protected_tasks(const ServiceId& id) const;

  // Told of each service that has become INACTIVE.
  void on_inactive(std::function<void(const ServiceId&)> listener) {
    inactive_ = std::move(listener);
  }

  // Brings on all that are marked. At the end of a tick.
  void bring_on();

  // From now on nothing is started or stopped for services, for as long as this object lives:
  // whoever stops all tasks would be answered by new ones.
  void rest() { resting_ = true; }
  // Any thread.
  [[nodiscard]] bool resting() const { return resting_; }

 private:
  struct Entry {
    Roster roster;
    Posts posts;                        // of DAEMON
    std::set<NodeId> nodes_to_look_at;  // likewise
    RoutesPtr routes;                   // of the PRIMARY deployment; null: not known
    DeploymentNumber routes_of;
    DeploymentNumber planning;         // plans of this one are being asked for
    bool waits = false;                // the last start found no place, or no plan
    bool said_why = false;             // since it waits
    std::unique_ptr<Leavers> leavers;  // of the deployment that was scaled in last
    std::set<std::string> full_zones;  // nothing found a place there when it was tried last
    Alarms::Id wake;
  };
  // For DAEMON: what became of the service on this node.
  void look_at(Entry& entry, const ServiceId& id, const NodeId& node);
  // In one tick, of one service: more would keep the loop.
  static constexpr int kMaxStartsAtOnce = 256;
  struct Current {
    ServicePtr service;
    ServiceDeploymentPtr primary;
  };
  using ByKind = std::pair<Roster::Kind, int>;
  [[nodiscard]] int start_until_resolved(const Current& now, Entry& entry,
                                         const Launches::Call& call, int count);

  // ---- services.cpp: following what happens
  [[nodiscard]] Entry& entry_of(const ServiceId& id);
  enum class Follow { Yes, No };  // whether records follow from where the task stands
  void place_member(const Task& task, Follow follow = Follow::Yes);
  [[nodiscard]] Member member_of(const Task& task, const StandingAt& at) const;
  // Time made it so while nobody was here to see it: nothing has followed from it yet.
  [[nodiscard]] HealthRules rules_of(const Service& service) const;
  [[nodiscard]] bool became_healthy_unseen(const Task& task) const;
  // Whether hosts that were there before the restart may yet come back. Until then a DAEMON service
  // does not know all of its posts.
  [[nodiscard]] bool awaits_hosts(const ClusterName& cluster) const;
  void watch_until(const TaskId& id, std::optional<Instant> until);
  void ring_at_first();
  void stand_again();
  void wake_at(const ServiceId& id, Entry& entry, Instant at);
  void look_at_nodes(const ServiceId& id, Entry& entry);
  [[nodiscard]] bool serves_others_while_draining(const NodeId& node) const;
  void look_again_at_daemons(const ClusterName& cluster, const NodeId& node);

  // ---- bring_on.cpp: one service
  void bring_on(const ServiceId& id, Entry& entry);
  void replica(const Current& now, Entry& entry);
  void daemon(const Current& now, Entry& entry);
  [[nodiscard]] ReplicaPicture picture_of(const Current& now, const Entry& entry,
                                          const std::vector<DeploymentNumber>& old) const;
  [[nodiscard]] std::vector<DeploymentNumber> old_ones(const Current& now,
                                                       const Entry& entry) const;
  [[nodiscard]] bool may_start(const Current& now, Entry& entry);
  // ---- stops.cpp: tasks from a decision
  std::vector<TaskId> pick_stops(const Current& now, Entry& entry,
                                 const DeploymentNumber& deployment, const Stops& stops);
  [[nodiscard]] std::vector<TaskId> choose_stops(const Current& now, Entry& entry,
                                                 Standing standing, std::size_t wanted);
  [[nodiscard]] std::optional<Demand> demand_of_rest(const Current& now, const Entry& entry,
                                                     const TaskId& one) const;
  void stop(const ServiceId& id, const Entry& entry, const std::vector<TaskId>& tasks);
  // ---- rebalancing.cpp: over Availability Zones
  void rebalance(const Current& now, Entry& entry, const ReplicaPicture& picture);
  [[nodiscard]] ZonePicture zones_of(const Current& now, const Entry& entry,
                                     const ReplicaPicture& picture) const;
  void start_in_zone(const Current& now, Entry& entry, const Rebalancing& decision);
  void look_at_zone(const ClusterName& cluster, const NodeId& node);

  void settle(const Current& now, Entry& entry);

  // ---- starts.cpp: tasks from a decision
  void start(const Current& now, Entry& entry, int wanted);
  [[nodiscard]] std::vector<int> counts_by_route(const Current& now, const Entry& entry,
                                                 const std::vector<Route>& routes, int count) const;
  void start_on_posts(const Current& now, Entry& entry);
  // Null while it is being found out, or where it cannot be.
  [[nodiscard]] RoutesPtr routes_for(const Current& now, Entry& entry, const Launches::Call& call);
  void planned(const ServiceId& id, const DeploymentNumber& number, const RoutesPtr& routes);
  void hold(const Current& now, Entry& entry, const std::string& why);
  void await_room(const ServiceId& id, Entry& entry);
  void launched(const Current& now, const std::vector<TaskId>& tasks);
  [[nodiscard]] std::optional<Launches::Call> call_of(const Current& now) const;
  [[nodiscard]] bool eligible(const ServiceId& id, Entry& entry, const NodeId& node);

  Rooms rooms_;
  const ServiceRules& rules_;
  std::map<ServiceId, Entry> entries_;
  std::set<ServiceId> marked_;
  std::atomic<bool> resting_ = false;
  std::map<ClusterName, std::set<ServiceId>> waiting_;  // for room
  std::map<ClusterName, std::set<ServiceId>> daemons_;
  // ACTIVE instances that have not been back since this process began; of interest until then.
  std::map<ClusterName, std::set<NodeId>> unseen_;
  Instant unseen_until_{};
  Zones zones_;
  std::map<TaskId, Instant> until_;               // when time alone changes a task's standing
  std::set<std::pair<Instant, TaskId>> in_time_;  // the same, by time
  Alarms::Id alarm_;
  std::function<void(const ServiceId&)> inactive_;
};

}  // namespace berth::control
