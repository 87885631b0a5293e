// SPDX-License-Identifier: Apache-2.0
// View: the nodes of an engine as they were at one moment, for readers.
//
// Threads: any number may read a view, and drop their share of it, while the engine goes on.
// Owns: all that it shows; it lives as long as anybody shares it, the engine gone or not.
// Costs: nothing while nobody asks. The first view looks at all nodes; a later one makes the nodes
// that changed anew and shares the rest with the one before (where very many changed, it looks at
// all of them). About 500 bytes a node, of which a later view shares most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/placement/node_classes.hpp"
#include "core/placement/shared_array.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

struct ViewNode {
  struct GroupCount {
    std::shared_ptr<const std::string> group{};
    std::uint32_t tasks = 0;  // that are not retired
  };

  NodeIndex index{};
  std::string id;
  std::shared_ptr<const NodeClass> what{};  // owner, attributes, ...; shared by nodes that equal
  NodeSpec::State state = NodeSpec::State::Active;
  bool connected = true;
  std::string ec2_instance_id{};
  std::int64_t registered_at_ms = 0;
  // What it has in all, and what is left.
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t eni_slots = 0;
  std::vector<Capacity> capacities{};
  Remaining left{};
  std::vector<GroupCount> groups{};  // by name
  std::uint32_t counted_tasks = 0;   // those that are not retired

  [[nodiscard]] std::uint32_t group_count(std::string_view group) const;
};

// Sums over all nodes.
struct ViewTotals {
  std::size_t nodes = 0;
  std::size_t taking_tasks = 0;  // active and connected ones
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t cpu_left = 0;
  std::int64_t memory_mib_left = 0;
  std::uint64_t tasks = 0;  // retired ones included
  auto operator<=>(const ViewTotals&) const = default;
};

class View {
 public:
  // Null where there is none. Valid as long as the view.
  [[nodiscard]] const ViewNode* node(NodeIndex node) const {
    return nodes_.at(static_cast<std::uint32_t>(node));
  }
  [[nodiscard]] const ViewNode* find(std::string_view id) const;
  // Calls `look` with each node, in node order.
  template <typename Look>
  void for_each(const Look& look) const {
    for (std::uint32_t i = 0; i < end_; ++i) {
      if (const ViewNode* node = nodes_.at(i)) look(*node);
    }
  }
  [[nodiscard]] std::size_t size() const { return totals_.nodes; }
  [[nodiscard]] const ViewTotals& totals() const { return totals_; }

 private:
  friend class Viewer;
  using Bucket = std::vector<std::uint32_t>;  // nodes whose ids fall into it

  [[nodiscard]] std::uint32_t bucket_of(std::string_view id) const;

  SharedArray<ViewNode> nodes_;
  SharedArray<Bucket> buckets_;
  std::uint32_t bucket_count_ = 0;  // a power of two
  std::uint32_t end_ = 0;           // node indices are below it
  ViewTotals totals_{};
};

}  // namespace berth::placement
