// SPDX-License-Identifier: Apache-2.0
#include "core/control/nodes.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "core/model/host_name.hpp"

namespace berth::control {
namespace {

bool is_instance_id(const std::string& id) {
  return id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_pool_id(const std::string& id) {
  return id.size() <= 64 && is_valid_name(id);
}

bool same_bytes(const v1::Node& a, const v1::Node& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

constexpr const char* kPoolAttribute = "berth.pool";
constexpr const char* kZoneAttribute = "ecs.availability-zone";

std::string attribute_of(const v1::Node& node, const char* name, const char* otherwise) {
  for (const auto& attribute : node.attributes()) {
    if (attribute.name() == name && !attribute.value().empty()) return attribute.value();
  }
  return otherwise;
}

std::int64_t total_of(const v1::Node& node, const char* resource) {
  for (const auto& one : node.resources()) {
    if (one.name() == resource) return one.counter().total();
  }
  return 0;
}

// As people find it: by name where it has one.
std::string called(const v1::Node& node) {
  const std::string name = host_name_of(node);
  return name.empty() ? node.id() : name + " (" + node.id() + ")";
}

}  // namespace

void Nodes::restore() {
  for (const auto& [id, instance] : desk_.state().instances()) {
    if (instance->status == InstanceStatus::Inactive) {
      erase_later(*instance);
      continue;
    }
    Node& node = nodes_[id];
    node = {instance->plugin, instance->node, false, true};
    offer(node);
  }
}

void Nodes::plugin_up(const PluginName& plugin) {
  books_[plugin] = {};
}

void Nodes::plugin_down(const PluginName& plugin) {
  books_[plugin] = {};
  for (auto& [id, node] : nodes_) {
    if (node.plugin != plugin || !node.message.connected()) continue;
    node.message.set_connected(false);
    if (!node.joined && !node.hidden) desk_.show(WaitingNode{node.plugin, node.message});
    if (node.joined) {
      record(node);
      placer_.disconnect(id);
      tell(node);
    }
  }
}

void Nodes::take(const PluginName& plugin, v1::InventorySnapshot snapshot) {
  Book& book = books_[plugin];
  if (snapshot.generation() <= book.generation) return;  // doubled or overtaken
  book.generation = snapshot.generation();
  std::set<NodeId> there;
  for (v1::Node& node : *snapshot.mutable_nodes()) {
    const NodeId id(node.id());
    if (!acceptable(plugin, node) || !there.insert(id).second) {
      reports_.count_fault();
      continue;
    }
    take(plugin, std::move(node));
  }
  std::vector<NodeId> missing;
  for (const auto& [id, node] : nodes_) {
    if (node.plugin == plugin && there.count(id) == 0) missing.push_back(id);
  }
  for (const NodeId& id : missing) gone(id);
}

void Nodes::take(const PluginName& plugin, v1::InventoryDelta delta) {
  Book& book = books_[plugin];
  if (delta.generation() <= book.generation) return;
  if (book.generation == 0 || delta.base() != book.generation) {
    return reports_.list_owned(plugin);  // a snapshot follows
  }
  book.generation = delta.generation();
  for (v1::Node& node : *delta.mutable_upserts()) {
    if (acceptable(plugin, node)) {
      take(plugin, std::move(node));
    } else {
      reports_.count_fault();
    }
  }
  for (const std::string& id : delta.removals()) {
    const auto at = nodes_.find(NodeId(id));
    if (at != nodes_.end() && at->second.plugin == plugin) gone(NodeId(id));
  }
}

void Nodes::cluster_made(const ClusterName& cluster) {
  for (auto& [id, node] : nodes_) {
    if (!node.joined && node.message.cluster() == cluster.str()) join(node);
  }
}

void Nodes::attributes_changed(const NodeId& id) {
  const auto known = nodes_.find(id);
  if (known != nodes_.end() && known->second.joined) offer(known->second);
}

bool Nodes::acceptable(const PluginName& plugin, const v1::Node& node) const {
  const Plugins::Plugin* owner = plugins_.find(plugin);
  if (owner == nullptr || !is_valid_name(node.cluster())) return false;
  if (!(owner->about.hidden_nodes ? is_pool_id(node.id()) : is_instance_id(node.id())))
    return false;
  const auto known = nodes_.find(NodeId(node.id()));
  return known == nodes_.end() || known->second.plugin == plugin;
}

void Nodes::take(const PluginName& plugin, v1::Node message) {
  change_cluster(message);
  upsert(plugin, std::move(message));
}

// Its operator has named another cluster for a known node.
void Nodes::change_cluster(v1::Node& message) {
  const NodeId id(message.id());
  const auto known = nodes_.find(id);
  if (known == nodes_.end()) return;
  Node& node = known->second;
  const std::string own = node.message.cluster();
  if (message.cluster() == own) {
    node.refused_cluster.clear();
    return;
  }
  if (!node.joined) return;
  const auto& tasks = desk_.state().tasks_on(id);
  const auto open = std::count_if(tasks.begin(), tasks.end(), [&](const TaskId& task) {
    return desk_.state().task(task)->last_status != TaskStatus::Stopped;
  });
  if (open == 0) return gone(id);
  if (node.refused_cluster != message.cluster()) {
    node.refused_cluster = message.cluster();
    desk_.warn("the host " + called(message) + " wants to be of the cluster '" + message.cluster() +
               "' and stays in '" + own + "' while it has tasks (" + std::to_string(open) +
               " now): stop them");
  }
  message.set_cluster(own);
}

void Nodes::upsert(const PluginName& plugin, v1::Node message) {
  Node& node = nodes_[NodeId(message.id())];
  // What each audit says again needs no second look by placement and by services.
  if (node.joined && node.plugin == plugin && same_bytes(node.message, message)) return;
  node.plugin = plugin;
  node.hidden = plugins_.find(plugin)->about.hidden_nodes;
  node.message = std::move(message);
  join(node);
}

void Nodes::join(Node& node) {
  const ClusterPtr cluster = desk_.state().cluster(ClusterName(node.message.cluster()));
  node.joined = cluster && cluster->active;
  if (!node.joined) return wait(node);
  desk_.hide_waiting(NodeId(node.message.id()));
  record(node);
  offer(node);
}

void Nodes::wait(const Node& node) {
  const NodeId id(node.message.id());
  const auto& waiting = desk_.state().waiting_nodes();
  const auto before = waiting.find(id);
  if (before == waiting.end() || before->second.node.cluster() != node.message.cluster()) {
    desk_.warn("the host " + called(node.message) + " waits: there is no cluster '" +
               node.message.cluster() + "'. Create it, or correct `cluster` of its agent");
  }
  if (!node.hidden) desk_.show(WaitingNode{node.plugin, node.message});
}

void Nodes::offer(const Node& node) {
  static const std::vector<ecs::Attribute> kNone;
  const NodeId id(node.message.id());
  const ContainerInstancePtr instance = desk_.state().instance(id);
  const auto offered =
      placer_.put_node({.cluster = ClusterName(node.message.cluster()),
                        .plugin = node.plugin,
                        .node = node.message,
                        .custom_attributes = instance ? instance->custom_attributes : kNone,
                        .draining = desk_.state().is_held(id) ||
                                    (instance && instance->status == InstanceStatus::Draining),
                        .connected = node.message.connected(),
                        .hidden = node.hidden});
  if (!offered) reports_.count_fault();
  tell(node);
}

void Nodes::set_status(const NodeId& id, InstanceStatus status) {
  const ContainerInstancePtr before = desk_.state().instance(id);
  BERTH_ASSERT(before && before->status != InstanceStatus::Inactive);
  if (before->status == status) return;
  ContainerInstance after = *before;
  after.status = status;
  after.version += 1;
  desk_.save(std::move(after));
  const auto node = nodes_.find(id);
  if (node != nodes_.end()) offer(node->second);
}

void Nodes::record(const Node& node) {
  if (node.hidden) return;
  const NodeId id(node.message.id());
  const ContainerInstancePtr before = desk_.state().instance(id);
  if (before && before->status != InstanceStatus::Inactive &&
      before->node.SerializeAsString() == node.message.SerializeAsString()) {
    return;
  }
  ContainerInstance after;
  if (before) {
    after = *before;
    after.version += 1;
  }
  if (!before || before->status == InstanceStatus::Inactive) {
    after.id = id;
    after.status = InstanceStatus::Active;
    after.inactive_since.reset();
    after.status_reason.clear();
    after.registered_at = node.message.has_registered_at()
                              ? Instant(milliseconds(node.message.registered_at().ms()))
                              : desk_.now();
  }
  after.cluster = ClusterName(node.message.cluster());
  after.plugin = node.plugin;
  after.node = node.message;
  if (!before) after.tags.assign(node.message.tags().begin(), node.message.tags().end());
  desk_.save(std::move(after));
}

void Nodes::hold(const NodeId& id) {
  const auto known = nodes_.find(id);
  if (known == nodes_.end() || !known->second.joined) return;
  desk_.hold(id);
  offer(known->second);
}

void Nodes::let_go_on(const NodeId& id) {
  const auto known = nodes_.find(id);
  desk_.release(id);
  if (known != nodes_.end() && known->second.joined) offer(known->second);
}

void Nodes::withdraw(const NodeId& id) {
  if (nodes_.count(id) > 0) gone(id);
}

void Nodes::gone(const NodeId& id) {
  const Node node = std::move(nodes_.at(id));
  nodes_.erase(id);
  desk_.hide_waiting(id);
  desk_.release(id);
  if (!node.joined) return;
  std::string reason = "The capacity that ran the task was withdrawn";
  if (const ContainerInstancePtr before = desk_.state().instance(id); before && !node.hidden) {
    const std::string& host = node.message.ec2_instance_id();
    reason = "Host EC2 (instance " + (host.empty() ? id.str() : host) + ") terminated";
    ContainerInstance after = *before;
    after.status = InstanceStatus::Inactive;
    after.node.set_connected(false);
    after.inactive_since = desk_.now();
    after.version += 1;
    erase_later(after);
    desk_.save(std::move(after));
  }
  placer_.remove_node(id);
  end_tasks(id, reason);
  tell(node);
}

void Nodes::end_tasks(const NodeId& id, const std::string& reason) {
  const std::set<TaskId> tasks = desk_.state().tasks_on(id);
  for (const TaskId& task : tasks) tasks_.finish(task, {std::nullopt, reason});
}

// INACTIVE instances stay describable as long as stopped tasks do.
void Nodes::erase_later(const ContainerInstance& instance) {
  const Instant at =
      instance.inactive_since.value_or(desk_.now()) + desk_.config().stopped_task_retention;
  desk_.alarms().set(at, [this, id = instance.id] {
    const ContainerInstancePtr now = desk_.state().instance(id);
    const bool due = now && now->status == InstanceStatus::Inactive && now->inactive_since &&
                     *now->inactive_since + desk_.config().stopped_task_retention <= desk_.now();
    if (due) desk_.erase_instance(id);
  });
}

model::PoolHost Nodes::host_of(const v1::Node& node) const {
  const NodeId id(node.id());
  model::PoolHost host;
  host.set_id(node.id());
  host.set_hostname(host_name_of(node));
  host.set_connected(node.connected());
  host.set_cpu(total_of(node, "CPU"));
  host.set_memory(total_of(node, "MEMORY"));
  const auto room = placer_.room_of(ClusterName(node.cluster()), id);
  host.set_remaining_cpu(room ? std::max<std::int64_t>(0, room->cpu) : 0);
  host.set_remaining_memory(room ? std::max<std::int64_t>(0, room->memory_mib) : 0);
  const auto& tasks = desk_.state().tasks_on(id);
  host.set_tasks(
      static_cast<int>(std::count_if(tasks.begin(), tasks.end(), [&](const TaskId& task) {
        return desk_.state().task(task)->last_status != TaskStatus::Stopped;
      })));
  return host;
}

std::vector<model::Pool> Nodes::pools(const std::optional<ClusterName>& cluster) const {
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, model::Pool> pools;
  for (const auto& [id, node] : nodes_) {
    const v1::Node& message = node.message;
    if (!node.hidden || (cluster && cluster->str() != message.cluster())) continue;
    const std::string name = attribute_of(message, kPoolAttribute, "default");
    const std::string zone = attribute_of(message, kZoneAttribute, "");
    model::Pool& pool = pools[{node.plugin.str(), message.cluster(), name, zone}];
    pool.set_plugin(node.plugin.str());
    pool.set_cluster(message.cluster());
    pool.set_name(name);
    pool.set_availability_zone(zone);
    *pool.add_hosts() = host_of(message);
  }
  std::vector<model::Pool> out;
  for (auto& [key, pool] : pools) out.push_back(std::move(pool));
  return out;
}

}  // namespace berth::control
