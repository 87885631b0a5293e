// SPDX-License-Identifier: Apache-2.0
// Who plays a Load: the engine, and the scans that it is measured against.
//
// A player starts with the load's tasks running. place() decides and books, and answers a ticket
// (or nothing where no node fits); release() gives a ticket back. The scans know cpu, memory, zone,
// the chain's constraint, draining and counts by group: what the load asks, and no more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/placement_load.hpp"
#include "core/placement/engine.hpp"
#include "core/placement/kernels.hpp"

namespace berth::bench {

class EnginePlayer {
 public:
  struct Ticket {
    placement::ReservationId reservation;
    std::uint32_t node;
  };
  EnginePlayer(const Load& load, Plan plan, placement::EngineOptions options = {});
  std::optional<Ticket> place(const Step& step);
  void release(const Ticket& ticket) { engine_.release(ticket.reservation); }
  void set_draining(std::uint32_t node, bool draining);
  // Tickets of the load's tasks, in the order in which they end.
  [[nodiscard]] std::vector<Ticket> running() const { return running_; }

 private:
  placement::Engine engine_;
  std::vector<placement::RequestId> requests_;  // by group
  std::vector<Ticket> running_;
};

// Columns of the scans, of the integers that each variant uses.
template <typename Int>
struct Columns {
  std::vector<Int> cpu;
  std::vector<Int> memory;
  std::vector<std::int32_t> zone;
};

// Tasks of each group on each node, ascending by node.
using GroupCounts = std::vector<std::vector<std::pair<std::uint32_t, std::int32_t>>>;

// Looks at every node, one after the other, in 64-bit integers.
class ScanPlayer {
 public:
  using Ticket = Running;
  ScanPlayer(const Load& load, Plan plan);
  std::optional<Ticket> place(const Step& step);
  void release(const Ticket& ticket);
  void set_draining(std::uint32_t node, bool draining) { open_[node] = !draining; }
  [[nodiscard]] std::vector<Ticket> running() const { return load_.running; }

 private:
  [[nodiscard]] bool fits(std::uint32_t node, std::uint32_t group) const;
  template <typename KeyOf>
  std::optional<std::uint32_t> first_least(std::uint32_t group, const KeyOf& key_of) const;
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);
  void book(const Ticket& ticket, int sign);

  const Load& load_;
  Plan plan_;
  Columns<std::int64_t> left_;
  std::vector<char> open_;
  std::vector<std::int64_t> tasks_of_node_;  // of the group at hand
  GroupCounts counts_;
};

// The same with 32-bit columns, a bitmap of open nodes and the engine's widest kernels, without the
// engine's books.
class SimdPlayer {
 public:
  using Ticket = Running;
  SimdPlayer(const Load& load, Plan plan);
  std::optional<Ticket> place(const Step& step);
  void release(const Ticket& ticket) { book(ticket, -1); }
  void set_draining(std::uint32_t node, bool draining);
  [[nodiscard]] std::vector<Ticket> running() const { return load_.running; }

 private:
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);
  void book(const Ticket& ticket, int sign);

  const Load& load_;
  Plan plan_;
  const placement::Kernels& kernels_;
  Columns<std::int32_t> left_;
  std::vector<std::uint64_t> open_[2];  // by color where the plan asks for one; else alike
  std::vector<std::uint64_t> scratch_;
  std::vector<std::int32_t> tasks_of_node_;
  GroupCounts counts_;
};

}  // namespace berth::bench
