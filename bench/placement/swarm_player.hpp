// SPDX-License-Identifier: Apache-2.0
// SwarmPlayer: Docker Swarm's documented way, restated in plain lines of our own.
//
// Documented in: Docker's manual, "Deploy services to a swarm", placement constraints and
// preferences ("spread" is the only strategy), and SwarmKit's design notes and scheduler package.
//  1. Nodes pass a pipeline of filters in order: ready, resources, constraints.
//  2. A spread preference divides the nodes into the branches of a decision tree by a label's
//     value; the branch with the fewest tasks of the service that has a fitting node is taken.
//  3. Of a branch the best k nodes are kept in a heap, k being the tasks asked for: those with the
//     fewest tasks of the service, then with the fewest tasks. One task is asked for here, and a
//     heap of one is its only entry. A node is filtered only if it would enter.
// Every node is looked at for every group of tasks.
#pragma once

#include <optional>
#include <vector>

#include "bench/placement/cluster.hpp"

namespace berth::bench {

class SwarmPlayer : public ClusterPlayer<SwarmPlayer, std::int64_t> {
 public:
  SwarmPlayer(const Load& load, Plan plan);
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);

 private:
  [[nodiscard]] bool passes(std::uint32_t node, std::uint32_t group) const;

  bool by_zone_;                                // placement-pref spread=node.labels.zone
  bool constrained_;                            // constraint node.labels.color == ...
  std::vector<std::int32_t> tasks_of_service_;  // by node; all 0 between decisions
};

}  // namespace berth::bench
