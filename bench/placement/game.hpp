// SPDX-License-Identifier: Apache-2.0
// Game: a player at work. Each step places one task and ends the oldest; nodes come and go.
//
// A player is a class with
//   Ticket                         copyable, with members `node` and `group`
//   std::vector<Ticket> take_running()   the load's tasks, in the order in which they end
//   std::optional<Ticket> place(Step)    decides and books; nothing where no node fits
//   bool release(Ticket)           false: it went with its node
//   void set_draining(node, bool)
//   Shape remove_node(node)        with its tasks; the sum of what they held
//   void add_node(node, Host)      `node` is the lowest index that is free
// Which groups are asked for and which nodes come and go is drawn apart from what players decide,
// so it is the same for all of them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "bench/placement/load.hpp"

namespace berth::bench {

template <typename Player>
class Game {
 public:
  using Ticket = typename Player::Ticket;
  // In so many steps one node drains, comes back, goes or is new: five of six such changes add,
  // drain or remove one, which is more than one step in a hundred.
  static constexpr std::uint64_t kChurnEvery = 64;
  // Where the cluster is emptier than it began, a step in so many ends no task.
  static constexpr std::uint64_t kRefillEvery = 8;

  Game(const Load& load, Player player)
      : load_(load), player_(std::move(player)), hosts_(load.hosts) {
    for (const Ticket& ticket : player_.take_running()) {
      queue_.push_back(ticket);
      used_.cpu += load_.shape_of(ticket.group).cpu;
      used_.memory += load_.shape_of(ticket.group).memory_mib;
    }
    for (const Host& host : hosts_) offer(host, 1);
    wanted_ = used_.cpu / offered_.cpu;
  }

  // The node that was chosen, or -1.
  std::int64_t step() {
    ++steps_;
    const Step asked{dice_.below(kGroups), dice_.roll()};
    const std::optional<Ticket> placed = player_.place(asked);
    if (placed) keep(*placed);
    settle(placed.has_value());
    if (steps_ % kChurnEvery == 0) churn();
    return placed ? static_cast<std::int64_t>(placed->node) : -1;
  }

  // For those that measure a decision alone: place with player(), keep the ticket, end a task.
  Player& player() { return player_; }
  void keep(const Ticket& ticket) {
    queue_.push_back(ticket);
    use(ticket.group, 1);
  }
  void end_oldest() {
    while (!queue_.empty()) {
      const Ticket oldest = queue_.front();
      queue_.pop_front();
      if (!player_.release(oldest)) continue;
      use(oldest.group, -1);
      return;
    }
  }
  [[nodiscard]] double cpu_fill_percent() const { return 100 * used_.cpu / offered_.cpu; }
  [[nodiscard]] double memory_fill_percent() const { return 100 * used_.memory / offered_.memory; }
  [[nodiscard]] std::size_t node_count() const { return hosts_.size() - gone_.size(); }

 private:
  struct Sum {
    double cpu = 0;
    double memory = 0;
  };

  void use(std::uint32_t group, int sign) {
    used_.cpu += sign * load_.shape_of(group).cpu;
    used_.memory += sign * load_.shape_of(group).memory_mib;
  }
  void offer(const Host& host, int sign) {
    offered_.cpu += sign * host.cpu;
    offered_.memory += sign * host.memory_mib;
  }

  // Ends the oldest task that still runs; none or two where the fill drifts off: nodes that go take
  // their tasks along, and sizes of what ends and what comes are drawn apart.
  void settle(bool placed) {
    const double excess = used_.cpu - wanted_ * offered_.cpu;
    if (placed && excess < 0 && steps_ % kRefillEvery == 0) return;
    end_oldest();
    if (excess > 4096) end_oldest();
  }

  std::uint32_t draw_live() {
    for (;;) {
      const std::uint32_t node = churn_dice_.below(static_cast<std::uint32_t>(hosts_.size()));
      if (!gone_.contains(node)) return node;
    }
  }

  // In turn: one drains, comes back, two go, two come.
  void churn() {
    switch (turn_++ % 6) {
      case 0:
        draining_ = draw_live();
        player_.set_draining(draining_, true);
        break;
      case 1:
        player_.set_draining(draining_, false);
        break;
      case 2:
      case 3:
        remove(draw_live());
        break;
      default:
        add();
    }
  }

  void remove(std::uint32_t node) {
    const Shape held = player_.remove_node(node);
    used_.cpu -= held.cpu;
    used_.memory -= held.memory_mib;
    offer(hosts_[node], -1);
    gone_.insert(node);
  }

  void add() {
    const std::uint32_t node = *gone_.begin();
    gone_.erase(gone_.begin());
    hosts_[node] = load_.draw_host(churn_dice_);
    offer(hosts_[node], 1);
    player_.add_node(node, hosts_[node]);
  }

  const Load& load_;
  Player player_;
  std::vector<Host> hosts_;
  std::set<std::uint32_t> gone_;
  std::deque<Ticket> queue_;
  Dice dice_{7};
  Dice churn_dice_{8};
  std::uint64_t steps_ = 0;
  std::uint64_t turn_ = 0;
  std::uint32_t draining_ = 0;
  Sum used_;
  Sum offered_;
  double wanted_ = 0;  // share of the cpu
};

}  // namespace berth::bench
