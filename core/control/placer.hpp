// SPDX-License-Identifier: Apache-2.0
// Records in, places out: what the placement engine knows of clusters, nodes and tasks, kept in
// step with the records.
//
// Invariant: each unfinished task on a known node holds its reservation, each other task holds
// none. Threads: loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/control/commands.hpp"
#include "core/control/state.hpp"
#include "core/model/arn.hpp"
#include "core/placement/engine.hpp"

namespace berth::control {

class Placer {
 public:
  Placer(const State& state, const Realm& realm) : state_(state), realm_(realm) {}

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

  // Where tasks of one kind may go: one way to run them, with each serving plugin's needs.
  struct Demand {
    ClusterName cluster;
    std::string group;
    std::string capacity_provider;
    std::vector<std::pair<PluginName, v1::Requirement>> needs;
    std::vector<model::PlacementConstraint> constraints;
    std::vector<model::PlacementStrategy> strategies;
  };
  struct Place {
    NodeId node;
    PluginName plugin;
    v1::Allocation allocation;
    placement::ReservationId reservation{};
  };
  struct Outcome {
    std::vector<Place> places;      // reserved, waiting for book
    std::vector<Failure> failures;  // for what is missing: one for each examined instance
    bool no_nodes = false;          // nothing to examine
  };
  // Places `count` tasks one after the other, as far as they go.
  // Errors: Invalid, Subject::Request, for a constraint or strategy.
  [[nodiscard]] Result<Outcome> place(const Demand& demand, int count, std::uint64_t dice);

  // The place is this task's.
  void book(const Task& task, const Place& place);
  // It is to stop: it holds its resources, but counts no more where tasks are counted.
  void retire(const TaskId& task);
  void release(const TaskId& task);

  // How many reservations there are; for tests.
  [[nodiscard]] std::size_t reservations() const { return reservations_.size(); }

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
  void explain(const Demand& demand, placement::RequestId request, int missing, Outcome& outcome);

  const State& state_;
  const Realm& realm_;
  std::map<ClusterName, placement::Engine> engines_;
  std::map<NodeId, Known> nodes_;
  std::map<TaskId, Booking> reservations_;
};

}  // namespace berth::control
