// SPDX-License-Identifier: Apache-2.0
// EnginePlayer: the placement engine, through its public interface, with all its books.
#pragma once

#include <optional>
#include <vector>

#include "bench/placement/load.hpp"
#include "core/placement/engine.hpp"

namespace berth::bench {

// As berthd does: large memory of the engine may be in huge pages, where the kernel has them.
[[nodiscard]] placement::EngineOptions with_huge_pages(placement::EngineOptions options);

class EnginePlayer {
 public:
  struct Ticket {
    placement::ReservationId reservation;
    std::uint32_t node;
    std::uint32_t group;
  };
  EnginePlayer(const Load& load, Plan plan, placement::EngineOptions options = {});

  std::optional<Ticket> place(const Step& step);
  bool release(const Ticket& ticket) { return engine_.release(ticket.reservation); }
  void set_draining(std::uint32_t node, bool draining);
  Shape remove_node(std::uint32_t node);
  void add_node(std::uint32_t node, const Host& host);
  [[nodiscard]] std::vector<Ticket> take_running() { return std::move(running_); }
  [[nodiscard]] const placement::Engine& engine() const { return engine_; }

  // In the order of a start: what the constructor does, for those that measure each. Nodes, tasks
  // that run, requests.
  struct Empty {};
  EnginePlayer(Empty, placement::EngineOptions options = {}) : engine_(with_huge_pages(options)) {}
  void add_nodes(const Load& load);
  void adopt_tasks(const Load& load);
  void compile_requests(const Load& load, Plan plan);

 private:
  placement::Engine engine_;
  std::uint64_t names_ = 0;
  std::vector<placement::RequestId> requests_;  // by group
  std::vector<Ticket> running_;
};

}  // namespace berth::bench
