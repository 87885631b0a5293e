// SPDX-License-Identifier: Apache-2.0
// The nodes that plugins publish: their container instances in the records, their capacity in
// placement.
//
// Invariants: 1. Nothing is placed on a plugin's nodes before its first snapshot. 2. A node belongs
// to one plugin and one cluster; it moves to another one while it has no tasks. 3. A node of a
// cluster that does not exist waits, shown as waiting, until the cluster is made. Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "core/control/delivery.hpp"
#include "core/control/placer.hpp"
#include "core/control/plugins.hpp"
#include "core/control/reports.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Nodes {
 public:
  Nodes(Desk& desk, Plugins& plugins, Placer& placer, Tasks& tasks, Reports& reports)
      : desk_(desk), plugins_(plugins), placer_(placer), tasks_(tasks), reports_(reports) {}

  // Container instances as they were stored: known, and not connected.
  void restore();

  void plugin_up(const PluginName& plugin);
  void plugin_down(const PluginName& plugin);
  void take(const PluginName& plugin, v1::InventorySnapshot snapshot);
  void take(const PluginName& plugin, v1::InventoryDelta delta);

  // Its record has other custom attributes now: placement is to see them.
  void attributes_changed(const NodeId& id);

  // Nodes that waited for it join.
  void cluster_made(const ClusterName& cluster);

  // ACTIVE or DRAINING. Requires: the instance exists and is neither INACTIVE.
  void set_status(const NodeId& id, InstanceStatus status);

  // Nothing is placed on it from now on, until it goes on or is withdrawn. Not recorded: a restart
  // forgets it, as it forgets who asked.
  void hold(const NodeId& id);
  void let_go_on(const NodeId& id);

  // Its plugin has let it go for ever. Nothing for one that is not known.
  void withdraw(const NodeId& id);

  // The nodes that are no container instances, of this cluster or of all.
  [[nodiscard]] std::vector<model::Pool> pools(const std::optional<ClusterName>& cluster) const;

  // Told of each node that has changed, come or gone, as a node of which cluster.
  void on_changed(std::function<void(const ClusterName&, const NodeId&)> listener) {
    changed_ = std::move(listener);
  }

 private:
  struct Node {
    PluginName plugin;
    v1::Node message;
    bool hidden = false;
    bool joined = false;            // placed upon; false while its cluster is missing
    std::string refused_cluster{};  // that its operator wants for it, and its tasks keep it from
  };
  struct Book {
    std::uint64_t generation = 0;  // 0: no snapshot yet
  };

  [[nodiscard]] bool acceptable(const PluginName& plugin, const v1::Node& node) const;
  void take(const PluginName& plugin, v1::Node message);
  void change_cluster(v1::Node& message);
  void upsert(const PluginName& plugin, v1::Node message);
  void join(Node& node);
  void wait(const Node& node);
  void offer(const Node& node);
  void record(const Node& node);
  void gone(const NodeId& id);
  void end_tasks(const NodeId& id, const std::string& reason);
  void erase_later(const ContainerInstance& instance);
  [[nodiscard]] model::PoolHost host_of(const v1::Node& node) const;
  void tell(const Node& node) const {
    if (changed_) changed_(ClusterName(node.message.cluster()), NodeId(node.message.id()));
  }

  Desk& desk_;
  Plugins& plugins_;
  Placer& placer_;
  Tasks& tasks_;
  Reports& reports_;
  std::map<NodeId, Node> nodes_;
  std::map<PluginName, Book> books_;
  std::function<void(const ClusterName&, const NodeId&)> changed_;
};

}  // namespace berth::control
