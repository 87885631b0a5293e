// SPDX-License-Identifier: Apache-2.0
// NomadPlayer: Nomad's documented way for service jobs, restated in plain lines of our own.
//
// Documented in: Nomad's manual, "How Nomad job scheduling works", "Job schedulers", the spread and
// constraint blocks of the job specification, and the scheduler configuration of its API.
//  1. Nodes are visited in a random order, drawn anew for each evaluation. (Here drawn as far as it
//     is needed; Nomad shuffles the whole list.)
//  2. Only so many that fit are scored: max(2, ceil(log2 N)), or with a spread block max(tasks,
//  100).
//     Up to three with a score of 0 or less are passed over, for a better one may come.
//  3. A score is the mean of its terms: binpack (20 - 10^free_cpu - 10^free_memory, of 18; free is
//     the share that is left after placing) or, by the cluster's configuration, its reverse; the
//     penalty of nodes that run tasks of the job; the boost of the spread block.
//  4. The best is taken, of equals the first.
#pragma once

#include <optional>
#include <vector>

#include "bench/placement/cluster.hpp"

namespace berth::bench {

class NomadPlayer : public ClusterPlayer<NomadPlayer, std::int64_t> {
 public:
  static constexpr std::uint32_t kMaxSkipped = 3;

  NomadPlayer(const Load& load, Plan plan);
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);

  // What the last decision looked at; `considered` counts those that were passed over, too.
  struct Look {
    std::uint32_t visited = 0;
    std::uint32_t considered = 0;
  };
  [[nodiscard]] Look last_look() const { return look_; }
  [[nodiscard]] std::uint32_t limit() const { return limit_; }

 private:
  [[nodiscard]] bool passes(std::uint32_t node, std::uint32_t group) const;
  [[nodiscard]] double score(std::uint32_t node, std::uint32_t group) const;
  [[nodiscard]] double fitness(std::uint32_t node, const Shape& shape) const;
  [[nodiscard]] double spread_boost(std::uint32_t node, std::uint32_t group) const;

  bool worst_fit_;    // scheduler_algorithm = "spread"
  bool by_zone_;      // spread { attribute = "${node.datacenter}" }
  bool constrained_;  // constraint { attribute = "${meta.color}" }
  std::uint32_t limit_;
  std::vector<std::uint32_t> order_;
  Look look_;
};

}  // namespace berth::bench
