// SPDX-License-Identifier: Apache-2.0
// ScanPlayer: what plain code does: 64-bit columns, one node after the other, every node looked at.
// Exact, with the engine's tie-break (the lowest node).
#pragma once

#include <optional>
#include <vector>

#include "bench/placement/cluster.hpp"

namespace berth::bench {

class ScanPlayer : public ClusterPlayer<ScanPlayer, std::int64_t> {
 public:
  ScanPlayer(const Load& load, Plan plan);
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);

 private:
  template <typename Accepts, typename KeyOf>
  [[nodiscard]] std::optional<std::uint32_t> first_least(const Shape& shape, const Accepts& accepts,
                                                         const KeyOf& key_of) const;
  [[nodiscard]] std::optional<std::uint32_t> any_of(const Shape& shape, std::uint64_t dice);

  Plan plan_;
  std::vector<std::int64_t> tasks_of_node_;  // of the group at hand; all 0 between decisions
  std::vector<std::uint32_t> fitting_;
};

}  // namespace berth::bench
