// SPDX-License-Identifier: Apache-2.0
// SimdPlayer: the best that a scan does: 32-bit columns and the engine's widest kernels, every node
// looked at, none of the engine's books. Exact, with the engine's tie-break (the lowest node).
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "bench/placement/cluster.hpp"
#include "core/placement/kernels.hpp"

namespace berth::bench {

class SimdPlayer : public ClusterPlayer<SimdPlayer, std::int32_t> {
 public:
  SimdPlayer(const Load& load, Plan plan);
  [[nodiscard]] std::optional<std::uint32_t> decide(const Step& step);
  Shape remove_node(std::uint32_t node);
  void add_node(std::uint32_t node, const Host& host);

  // "avx512", "avx2" or "scalar".
  [[nodiscard]] static const char* instructions();

 private:
  using Words = std::vector<std::uint64_t>;
  using Floors = std::array<placement::Floor, 2>;

  void mark(std::uint32_t node, const Host& host, bool present);
  [[nodiscard]] bool has_parts() const { return plan_ == Plan::SpreadZone || plan_ == Plan::Chain; }
  [[nodiscard]] const Words& filtered(const Words& nodes, const Floors& floors);
  [[nodiscard]] std::optional<std::uint32_t> by_instance(const Floors& floors, std::uint32_t group);
  [[nodiscard]] std::optional<std::uint32_t> by_zone(const Floors& floors, std::uint32_t group);
  [[nodiscard]] std::optional<std::uint32_t> any_of(const Floors& floors, std::uint64_t dice);

  Plan plan_;
  const placement::Kernels& kernels_;
  Words all_;
  Words scratch_;
  Words together_;
  std::array<std::array<Words, kZones>, kColors> parts_;  // color 0 alone without a chain
  std::vector<std::int32_t> tasks_of_node_;  // of the group at hand; all 0 between decisions
};

}  // namespace berth::bench
