// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/percent.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace berth::control {

Bounds bounds_of(int desired, Percentages percentages) {
  const std::int64_t lower =
      (static_cast<std::int64_t>(desired) * percentages.minimum_healthy + 99) / 100;
  const std::int64_t upper = static_cast<std::int64_t>(desired) * percentages.maximum / 100;
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return {static_cast<int>(std::min<std::int64_t>(lower, desired)),
          static_cast<int>(std::min(upper, kMost))};
}

}  // namespace berth::control
