// SPDX-License-Identifier: Apache-2.0
// ClusterScale: what the largest nodes of the cluster have in all; some scores measure by it.
//
// Every node counts, whatever its state. Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/placement/books.hpp"

namespace berth::placement {

// What a node has in all.
struct NodeScale {
  std::int64_t cpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t device_milli = 0;  // 1000 for each device of the type
  bool operator==(const NodeScale&) const = default;
};
[[nodiscard]] NodeScale scale_of(const Books& books, std::uint32_t node,
                                 const std::string& device_type);

class ClusterScale {
 public:
  explicit ClusterScale(std::string device_type) : device_type_(std::move(device_type)) {}

  // Cost: the nodes that came, went or got another spec since the last time.
  void refresh(const Books& books);
  // The largest of each, not of one node. Zeros without nodes.
  [[nodiscard]] const NodeScale& largest() const { return largest_; }
  // Another number each time that `largest` changed.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] std::size_t bytes() const { return nodes_.capacity() * sizeof(NodeScale); }

 private:
  void look_again(const Books& books, std::uint32_t node);

  std::string device_type_;
  std::vector<NodeScale> nodes_;
  std::array<std::map<std::int64_t, std::uint32_t>, 3> counts_;  // of nodes, by amount
  NodeScale largest_;
  std::uint64_t generation_ = 1;
  std::uint64_t seen_ = ChangeLog::kNothingSeen;
};

}  // namespace berth::placement
