// SPDX-License-Identifier: Apache-2.0
// Records in, places out: what the placement engine knows of clusters, nodes and tasks, kept in
// step with the records.
//
// Invariants: 1. Each unfinished task on a known node holds its reservation, each other task holds
// none. 2. What a question reserves is given back within the same call of the core. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/control/commands.hpp"
#include "core/control/compilations.hpp"
#include "core/control/demand.hpp"
#include "core/control/desk.hpp"
#include "core/placement/engine.hpp"

namespace berth::control {

class Placer {
 public:
  // `meter` may be null.
  Placer(Desk& desk, DecisionMeter* meter)
      : desk_(desk),
        meter_(meter),
        compilations_(desk.config().compiled_requests, desk.config().strategies) {}

  struct NodeView {
    ClusterName cluster;
    PluginName plugin;
    const v1::Node& node;
    const std::vector<ecs::Attribute>& custom_attributes;
    bool draining = false;
    bool connected = false;
    bool hidden = false;  // failures do not name it
  };
  // Takes a node in or brings it up to date; the first time, the tasks on it are booked.
  // Errors: Invalid, for amounts that no node can have; it is then not placed upon.
  [[nodiscard]] Result<void> put_node(const NodeView& view);
  void disconnect(const NodeId& node);
  void remove_node(const NodeId& node);

  struct Place {
    NodeId node;
    PluginName plugin;
    v1::Allocation allocation;
    placement::ReservationId reservation{};
  };
  struct Outcome {
    std::vector<Place> places;  // reserved, waiting for book or give_back
    int missing = 0;
    // Of the first task that is missing: what each examined instance says (at most
    // kMaxNamedInstances), and how many say so.
    std::vector<Failure> failures;
    std::vector<RefusalCount> refusals;
    bool no_nodes = false;  // nothing to examine
  };
  // Places `count` tasks one after the other, as far as they go.
  // Errors: Invalid, Subject::Request, for a constraint or strategy.
  enum class Explain { Yes, No };  // No: an outcome says how many are missing, and not why
  [[nodiscard]] Result<Outcome> place(const Demand& demand, int count, std::uint64_t dice,
                                      Explain explain = Explain::Yes);
  // Places one task on this node, or says what the node refuses it for. The node is one of the
  // demand's cluster. Errors: as place.
  [[nodiscard]] Result<Outcome> place_on(const Demand& demand, const NodeId& node);
  // Whether it would pass every check there. Nothing is reserved or measured. Requires: as
  // place_on. Errors: as place.
  [[nodiscard]] Result<bool> would_take(const Demand& demand, const NodeId& node);
  // As place, for a question: it is not measured, and the caller gives the places back.
  [[nodiscard]] Result<Outcome> try_out(const Demand& demand, int count, std::uint64_t dice);
  void give_back(const std::vector<Place>& places);

  // Which of a service's tasks to stop: see Engine::choose_to_stop. Errors: as place.
  [[nodiscard]] placement::LeaversId make_leavers(const ClusterName& cluster) {
    return engine_for(cluster).make_leavers();
  }
  void drop_leavers(const ClusterName& cluster, placement::LeaversId leavers) {
    engine_for(cluster).drop_leavers(leavers);
  }
  void add_leaver(const ClusterName& cluster, placement::LeaversId leavers,
                  const placement::Leaver& leaver) {
    engine_for(cluster).add_leaver(leavers, leaver);
  }
  void remove_leaver(const ClusterName& cluster, placement::LeaversId leavers,
                     const placement::Leaver& leaver) {
    engine_for(cluster).remove_leaver(leavers, leaver);
  }
  [[nodiscard]] Result<std::vector<placement::Leaver>> choose_to_stop(
      const Demand& demand, placement::LeaversId leavers,
      const placement::LeaversQuestion& question);
  // What holds the task's room; None where its node is not known to placement now.
  [[nodiscard]] placement::ReservationId reservation_of(const TaskId& task) const;

  // Told when something may fit in a cluster that did not before.
  void on_room(std::function<void(const ClusterName&)> listener) { room_ = std::move(listener); }

  // Where the node is, as placement sees it; empty for one that says nothing. Requires: it is
  // known.
  [[nodiscard]] std::string zone_of(const ClusterName& cluster, const NodeId& node) const;
  // Of a container instance; empty for a pool's node.
  [[nodiscard]] std::string arn_of(const ClusterName& cluster, std::string_view node) const;
  // CPU and memory that are left there; nothing for a node that takes no tasks now, or is unknown.
  struct Room {
    std::int64_t cpu = 0;
    std::int64_t memory_mib = 0;
  };
  [[nodiscard]] std::optional<Room> room_of(const ClusterName& cluster, const NodeId& node) const;
  // Whether this node is known to placement, as one of this cluster.
  [[nodiscard]] bool knows(const ClusterName& cluster, const NodeId& node) const;

  // What the nodes say now to tasks of this kind, and how the strategies see `place`. `task`, if it
  // holds a reservation, is taken for absent there.
  struct Survey {
    bool place_known = false;
    std::vector<StrategyTerm> terms;  // none where the place refuses
    std::optional<Failure> place_refuses;
    int others_that_fit = 0;
    std::vector<RefusalCount> refusals;  // of the other nodes
  };
  [[nodiscard]] Result<Survey> survey(const Demand& demand, const Task& task);

  // The place is this task's.
  void book(const Task& task, const Place& place);
  // It is to stop: it holds its resources, but counts no more where tasks are counted.
  void retire(const TaskId& task);
  void release(const TaskId& task);

  [[nodiscard]] PlacementStats stats() const;

 private:
  struct Known {
    ClusterName cluster;
    bool hidden = false;
  };
  struct Booking {
    ClusterName cluster;
    placement::ReservationId reservation;
  };
  void adopt_tasks(const ClusterName& cluster, const NodeId& node, placement::NodeIndex index);
  [[nodiscard]] Result<placement::RequestId> compile(const Demand& demand);
  void drop_idle_later();
  [[nodiscard]] Place place_of(const Demand& demand, const placement::Placement& placed) const;
  void explain(const Demand& demand, placement::RequestId request, Outcome& outcome) const;
  void tell_room(const ClusterName& cluster) const {
    if (room_) room_(cluster);
  }
  // The cluster's, made where there is none yet.
  [[nodiscard]] placement::Engine& engine_for(const ClusterName& cluster);
  [[nodiscard]] const placement::Engine& engine_of(const ClusterName& cluster) const {
    return engines_.at(cluster);
  }

  Desk& desk_;
  DecisionMeter* meter_;
  Compilations compilations_;
  bool drop_is_set_ = false;
  std::map<ClusterName, placement::Engine> engines_;
  std::map<NodeId, Known> nodes_;
  std::map<TaskId, Booking> reservations_;
  std::function<void(const ClusterName&)> room_;
};

}  // namespace berth::control
