// SPDX-License-Identifier: Apache-2.0
// User and group ids of the host that a task has for itself: its 0 is `first`.
//
// Threads: values.
#pragma once

#include <cstdint>

namespace berth::runtime {

struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;  // 0: no range, the container's ids are the host's

  [[nodiscard]] bool empty() const { return count == 0; }
  // Whether the containers have such an id.
  [[nodiscard]] bool holds(std::uint32_t id) const { return empty() || id < count; }
  // The host's id. Of one that they do not have: nobody's, never an id of the next task.
  [[nodiscard]] std::uint32_t on_host(std::uint32_t id) const {
    return holds(id) ? first + id : kNobody;
  }
  static constexpr std::uint32_t kNobody = 65'534;
  friend bool operator==(const IdRange&, const IdRange&) = default;
};

}  // namespace berth::runtime
