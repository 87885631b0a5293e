// SPDX-License-Identifier: Apache-2.0
// KubePlayer: kube-scheduler's documented way, restated in plain lines of our own.
//
// Documented in: Kubernetes' manual, "Kubernetes Scheduler", "Scheduler Performance Tuning",
// "Resource Bin Packing", "Pod Topology Spread Constraints".
//  1. Filtering starts where the last pod's stopped and ends once enough feasible nodes are found:
//     all where there are fewer than 100 nodes, else max(100, N p / 100), p = max(5, 50 - N / 125).
//  2. Those are scored, each score from 0 to 100: resources allocated, least or most by
//     configuration; balance of cpu and memory; spread over a topology (weight 2), normalised so
//     that the topology with the fewest pods of the set is best.
//  3. The highest sum is taken, of equals any.
// Nodes are listed with their zones in turn; here zones are drawn, which mixes them as well. Pods
// of a set are counted as they come and go; kube-scheduler counts them for each pod.
#pragma once

#include <optional>
#include <vector>

#include "bench/placement/cluster.hpp"

namespace berth::bench {

class KubePlayer : public ClusterPlayer<KubePlayer, std::int64_t> {
 public:
  KubePlayer(const Load& load, Plan plan);
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);

  // How many feasible nodes are enough.
  [[nodiscard]] static std::uint32_t enough(std::uint32_t nodes);
  struct Look {
    std::uint32_t first = 0;  // where the last decision started
    std::uint32_t visited = 0;
    std::uint32_t scored = 0;
  };
  [[nodiscard]] Look last_look() const { return look_; }

 private:
  struct Fit {
    std::uint32_t node = 0;
    std::int32_t score = 0;  // topology aside
    std::int32_t pods = 0;   // of the set, in the node's topology
  };
  [[nodiscard]] bool passes(std::uint32_t node, std::uint32_t group) const;
  void find_fits(const Step& step);
  [[nodiscard]] std::int32_t resource_score(std::uint32_t node, const Shape& shape) const;
  [[nodiscard]] std::int32_t pods_near(std::uint32_t node, std::uint32_t group) const;

  Plan plan_;
  std::uint32_t next_ = 0;
  std::vector<Fit> fits_;
  Look look_;
};

}  // namespace berth::bench
