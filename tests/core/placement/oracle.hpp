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
  // A reason why the grants may not be given on the node; empty: they may.
  [[nodiscard]] std::string objection(std::uint32_t node, const Needs& needs,
                                      const std::vector<DeviceGrant>& grants) const;

  std::vector<std::optional<Node>> nodes;

 private:
  [[nodiscard]] std::int64_t key(const Strategy& strategy, const Request& request,
                                 std::uint32_t node) const;
  [[nodiscard]] bool can_grant(std::uint32_t node, const Needs& needs, std::size_t first,
                               std::int64_t taken, std::vector<DeviceGrant>& grants) const;
};

// What is left of a node's cpu, memory, interfaces or a named amount.
[[nodiscard]] std::int64_t cpu_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t memory_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t eni_left(const Oracle::Node& node);
[[nodiscard]] std::int64_t amount_left(const Oracle::Node& node, const std::string& name);

}  // namespace berth::placement::testing
