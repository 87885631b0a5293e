// SPDX-License-Identifier: Apache-2.0
// The oracle: what the engine must answer, found by looking at everything each time.
//
// It keeps tasks and specs and nothing else; every amount is summed anew. Slow on purpose, so that
// it can be believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::placement::testing {

class Oracle {
 public:
  struct Task {
    std::string group;
    std::string service;
    Needs needs;
    std::vector<DeviceGrant> devices;
    bool counted = true;
    ReservationId reservation = ReservationId::None;  // the engine's name for it
  };
  struct Node {
    NodeSpec spec;
    std::vector<Task> tasks;
  };

  std::uint32_t add_node(NodeSpec spec);  // at the lowest free index
  void remove_node(std::uint32_t node) { nodes[node].reset(); }

  [[nodiscard]] std::optional<Reason> refusal(const Request& request, std::uint32_t node) const;
  [[nodiscard]] std::optional<std::uint32_t> decide(const Request& request,
                                                    std::uint64_t dice) const;
  [[nodiscard]] const Needs* needs(const Request& request, std::uint32_t node) const;
  // Tasks of the request's service, or else of its group.
  [[nodiscard]] std::int64_t counted(const Request& request, std::uint32_t node) const;
  [[nodiscard]] std::optional<std::string> value(std::uint32_t node,
                                                 const std::string& attribute) const;
  // The devices that a task gets there. Requires: no refusal.
  [[nodiscard]] std::vector<DeviceGrant> grants(const Request& request, std::uint32_t node) const;
  // A reason why the grants may not be given on the node; empty: they may.
  [[nodiscard]] std::string objection(std::uint32_t node, const Needs& needs,
                                      const std::vector<DeviceGrant>& grants) const;

  std::vector<std::optional<Node>> nodes;
  std::vector<ExpectedTask> target;

 private:
  // Beyond ECS (oracle_scores.cpp); higher is better.
  struct Scored {
    std::int64_t score = 0;
    std::string device{};  // of Fragmentation, where it chooses one
  };
  [[nodiscard]] std::int64_t score(const Strategy& strategy, const Request& request,
                                   std::uint32_t node) const;
  [[nodiscard]] std::int64_t measured(const Strategy& strategy, const Needs& needs,
                                      std::uint32_t node) const;
  [[nodiscard]] std::int64_t packing(const Needs& needs, std::uint32_t node) const;
  [[nodiscard]] std::int64_t clustering(const Needs& needs, std::uint32_t node) const;
  [[nodiscard]] Scored fragmentation(std::int32_t levels, const Needs& needs,
                                     std::uint32_t node) const;
  [[nodiscard]] std::int64_t affinity(const Request& request, std::uint32_t node) const;
  [[nodiscard]] std::int64_t wasted(std::uint32_t node, std::int64_t cpu,
                                    const std::vector<DeviceGrant>& more) const;

  [[nodiscard]] std::int64_t key(const Strategy& strategy, const Request& request,
                                 std::uint32_t node) const;
  // Appends the first assignment that there is: whole devices ascending from `from` on, parts from
  // the device with the least left.
  struct Progress {
    std::size_t need = 0;
    std::int64_t taken = 0;
    std::size_t from = 0;
  };
  [[nodiscard]] bool grant(std::uint32_t node, const Needs& needs, Progress at,
                           std::vector<DeviceGrant>& grants) const;
};

// How one device is used by the node's tasks and by `more`.
struct DeviceUse {
  bool any = false;
  bool whole = false;
  std::int64_t share = 0;
  std::int64_t memory = 0;
};
[[nodiscard]] DeviceUse use_of(const Oracle::Node& node, const std::vector<DeviceGrant>& more,
                               const std::string& id);
[[nodiscard]] const Device* find_device(const Oracle::Node& node, const std::string& id);
// One is the other or a partition of it, or of its partitions.
[[nodiscard]] bool is_within(const Oracle::Node& node, const Device& inner, const Device& outer);
// Why a device may not be given after `before` are; empty: it may.
[[nodiscard]] std::string grant_objection(const Oracle::Node& node,
                                          const std::vector<DeviceGrant>& before,
                                          const DeviceNeed& need, const DeviceGrant& grant);
[[nodiscard]] bool holds_for(const Oracle::Node& node, const std::string& expression);

// What is left of a node's cpu, memory, interfaces or a named amount.
[[nodiscard]] std::int64_t cpu_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t memory_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t eni_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t amount_left(const Oracle::Node& node, const std::string& name);

}  // namespace berth::placement::testing
