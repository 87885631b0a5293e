// SPDX-License-Identifier: Apache-2.0
// Whether a container may be begun, as those that it depends on stand.
//
// Threads: any; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "berth/runtime/task_state.pb.h"
#include "sdk/runtime/task/task_plan.hpp"

namespace berth::runtime {

struct Gate {
  enum class Is { Open, Shut, Lost };
  Is is = Is::Open;
  std::string why{};                                 // Lost
  std::optional<std::int64_t> opens_not_after_ms{};  // Shut: startTimeout runs out then
};

// The least open of the gates before a container, at this time (milliseconds since the Unix epoch).
[[nodiscard]] Gate gate(const TaskPlan& plan, const TaskState& state, std::size_t container,
                        std::int64_t now_ms);

// What a container's state says of it.
[[nodiscard]] inline bool is_stopped(const ContainerState& container) {
  return container.phase() == ContainerState::PHASE_STOPPED;
}
[[nodiscard]] inline bool has_run(const ContainerState& container) {
  return container.started_ms() != 0;
}
// Its program runs, or is being started again.
[[nodiscard]] inline bool is_up(const ContainerState& container) {
  return container.phase() == ContainerState::PHASE_RUNNING ||
         (container.phase() == ContainerState::PHASE_LAUNCHING && has_run(container));
}

}  // namespace berth::runtime
