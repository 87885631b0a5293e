// SPDX-License-Identifier: Apache-2.0
// Soft affinity: expressions that a node had better satisfy (or, with a negative weight, had better
// not). They refuse no node.
//
// Threads: any; an Affinity is immutable. Errors: see make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/placement/query.hpp"
#include "core/placement/result.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

class Affinity {
 public:
  static constexpr std::size_t kMaxTerms = 10;
  static constexpr std::int32_t kMaxWeight = 1000;

  // Errors: Invalid; `what` is "affinity", "affinity[1].weight" or "affinity[1].expression", the
  // last with the position.
  [[nodiscard]] static Result<Affinity> make(const std::vector<AffinityTerm>& terms);

  // The sum of the weights of the terms that hold; higher is better.
  [[nodiscard]] std::int32_t score(const NodeFacts& node) const;
  // Whether scores change as tasks come and go.
  [[nodiscard]] bool depends_on_tasks() const;

 private:
  std::vector<std::pair<Query, std::int32_t>> terms_;
};

}  // namespace berth::placement
