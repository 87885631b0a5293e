// SPDX-License-Identifier: Apache-2.0
// Small random worlds for property tests: nodes and requests drawn from a seed, narrow enough that
// they collide.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::placement::testing {

// Numbers from a seed (SplitMix64).
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(end));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }

  // Whether requests ask for more amounts of cpu than the steps of an index tell apart.
  bool many_amounts = false;

 private:
  std::uint64_t state_;
};

[[nodiscard]] NodeSpec draw_node(Draw& draw, std::string id);
[[nodiscard]] Needs draw_needs(Draw& draw);
[[nodiscard]] Request draw_request(Draw& draw);
[[nodiscard]] std::vector<ExpectedTask> draw_target(Draw& draw);

}  // namespace berth::placement::testing
