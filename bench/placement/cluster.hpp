// SPDX-License-Identifier: Apache-2.0
// The books of the players that Berth is measured against: what is left of each node, and who runs
// where, kept up to date at each change. They know cpu, memory, zone, color, draining and counts by
// group: what the load asks, and no more.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/placement/load.hpp"

namespace berth::bench {

// Tasks of each group: in all, by zone, and on which nodes. Every operation touches one node's and
// one group's entries only.
class Tally {
 public:
  struct OnNode {
    std::uint16_t group;
    std::uint16_t tasks;
    std::uint32_t at;  // in the group's list
  };
  using Nodes = std::vector<std::pair<std::uint32_t, std::int32_t>>;  // and tasks, in any order

  explicit Tally(std::size_t nodes) : of_node_(nodes), of_group_(kGroups), by_zone_(kGroups) {}

  void add(std::uint32_t node, std::uint32_t group, std::uint32_t zone);
  void remove(std::uint32_t node, std::uint32_t group, std::uint32_t zone);
  void drop_node(std::uint32_t node, std::uint32_t zone);

  [[nodiscard]] std::int32_t tasks(std::uint32_t node, std::uint32_t group) const;
  [[nodiscard]] const std::array<std::int32_t, kZones>& by_zone(std::uint32_t group) const {
    return by_zone_[group];
  }
  [[nodiscard]] const Nodes& nodes_of(std::uint32_t group) const { return of_group_[group]; }

 private:
  [[nodiscard]] OnNode* find(std::uint32_t node, std::uint32_t group);
  void erase_from_group(const OnNode& entry);

  std::vector<std::vector<OnNode>> of_node_;
  std::vector<Nodes> of_group_;
  std::vector<std::array<std::int32_t, kZones>> by_zone_;
};

struct BookedTicket {
  std::uint32_t node = 0;
  std::uint32_t group = 0;
  std::uint32_t life = 0;  // of the node, when the task came
};

enum class Counting { None, ByGroup };

// Columns of what is left, in the integers that a player looks at.
template <typename Int>
class Cluster {
 public:
  // Taken from the cpu that a closed node has left, so that one comparison serves for both.
  static constexpr Int kClosed = Int{1} << 29;

  Cluster(const Load& load, Counting counting)
      : load_(load),
        counting_(counting == Counting::ByGroup),
        tally_(counting_ ? load.hosts.size() : 0) {
    const std::size_t padded = (load.hosts.size() + 63) / 64 * 64;
    cpu_.resize(padded, -kClosed);
    memory_.resize(padded);
    zone_.resize(padded);
    hosts_.resize(load.hosts.size());
    lives_.resize(load.hosts.size());
    tasks_.resize(load.hosts.size());
    for (std::uint32_t node = 0; node < load.hosts.size(); ++node) add_node(node, load.hosts[node]);
    for (const Running& task : load.running) static_cast<void>(book(task.node, task.group));
  }

  // ---- Changes
  BookedTicket book(std::uint32_t node, std::uint32_t group) {
    const Shape& shape = load_.shape_of(group);
    cpu_[node] -= shape.cpu;
    memory_[node] -= shape.memory_mib;
    ++tasks_[node];
    if (counting_) tally_.add(node, group, hosts_[node].zone);
    return {node, group, lives_[node]};
  }

  bool release(const BookedTicket& ticket) {
    if (lives_[ticket.node] != ticket.life) return false;
    const Shape& shape = load_.shape_of(ticket.group);
    cpu_[ticket.node] += shape.cpu;
    memory_[ticket.node] += shape.memory_mib;
    --tasks_[ticket.node];
    if (counting_) tally_.remove(ticket.node, ticket.group, hosts_[ticket.node].zone);
    return true;
  }

  void set_draining(std::uint32_t node, bool draining) {
    if (draining == is_open(node)) cpu_[node] += draining ? -kClosed : kClosed;
  }

  Shape remove_node(std::uint32_t node) {
    const Host& host = hosts_[node];
    set_draining(node, false);
    const Shape held{static_cast<std::int32_t>(host.cpu - cpu_[node]),
                     static_cast<std::int32_t>(host.memory_mib - memory_[node])};
    if (counting_) tally_.drop_node(node, host.zone);
    cpu_[node] = -kClosed;
    memory_[node] = 0;
    tasks_[node] = 0;
    ++lives_[node];
    return held;
  }

  void add_node(std::uint32_t node, const Host& host) {
    hosts_[node] = host;
    cpu_[node] = host.cpu;
    memory_[node] = host.memory_mib;
    zone_[node] = static_cast<std::int32_t>(host.zone);
  }

  // ---- Reading
  [[nodiscard]] const Load& load() const { return load_; }
  [[nodiscard]] const std::vector<Host>& hosts() const { return hosts_; }
  [[nodiscard]] std::uint32_t end() const { return static_cast<std::uint32_t>(hosts_.size()); }
  // To the next multiple of 64 nodes; those that are closed or gone have a negative cpu.
  [[nodiscard]] const std::vector<Int>& cpu() const { return cpu_; }
  [[nodiscard]] const std::vector<Int>& memory() const { return memory_; }
  [[nodiscard]] const std::vector<std::int32_t>& zone() const { return zone_; }
  [[nodiscard]] const std::vector<std::int32_t>& tasks() const { return tasks_; }
  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] bool is_open(std::uint32_t node) const { return cpu_[node] > -kClosed / 2; }
  [[nodiscard]] bool fits(std::uint32_t node, const Shape& shape) const {
    return static_cast<bool>(static_cast<unsigned>(cpu_[node] >= shape.cpu) &
                             static_cast<unsigned>(memory_[node] >= shape.memory_mib));
  }
  [[nodiscard]] std::vector<BookedTicket> take_running() const {
    std::vector<BookedTicket> out;
    out.reserve(load_.running.size());
    for (const Running& task : load_.running) out.push_back({task.node, task.group, 0});
    return out;
  }

 private:
  const Load& load_;
  bool counting_;
  Tally tally_;
  std::vector<Int> cpu_;
  std::vector<Int> memory_;
  std::vector<std::int32_t> zone_;
  std::vector<std::int32_t> tasks_;
  std::vector<Host> hosts_;
  std::vector<std::uint32_t> lives_;
};

// What all players on a Cluster do alike. Decider is the player itself, with
// `std::optional<std::uint32_t> decide(const Step&)`.
template <typename Decider, typename Int>
class ClusterPlayer {
 public:
  using Ticket = BookedTicket;

  ClusterPlayer(const Load& load, Counting counting) : cluster_(load, counting) {}

  std::optional<Ticket> place(const Step& step) {
    const auto node = static_cast<Decider*>(this)->decide(step);
    if (!node) return std::nullopt;
    return cluster_.book(*node, step.group);
  }
  bool release(const Ticket& ticket) { return cluster_.release(ticket); }
  void set_draining(std::uint32_t node, bool draining) { cluster_.set_draining(node, draining); }
  Shape remove_node(std::uint32_t node) { return cluster_.remove_node(node); }
  void add_node(std::uint32_t node, const Host& host) { cluster_.add_node(node, host); }
  [[nodiscard]] std::vector<Ticket> take_running() const { return cluster_.take_running(); }
  [[nodiscard]] const Cluster<Int>& cluster() const { return cluster_; }

 protected:
  Cluster<Int> cluster_;
};

}  // namespace berth::bench
