// SPDX-License-Identifier: Apache-2.0
// Why a task found no place, from what each node says: ECS's failures[], and counts by reason.
//
// Threads: any.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/control/commands.hpp"
#include "core/placement/engine.hpp"

namespace berth::control {

// Instances that failures name for each task that found no place: a cluster of thousands would
// answer megabytes. Where there are more, every reason is still among them, and the last one's
// detail counts those left out.
inline constexpr std::size_t kMaxNamedInstances = 100;

// ECS's words where a pool has no room: they name no place.
inline constexpr const char* kNoRoomInPool =
    "Capacity is unavailable at this time. Please try again later or in a different availability "
    "zone";

struct Refusals {
  std::vector<Failure> failures;     // for one task
  std::vector<RefusalCount> counts;  // most instances first
};

// The ARN of a node; empty for one of a pool, which failures do not name.
using NodeArn = std::function<std::string(std::string_view node)>;

[[nodiscard]] Refusals sum_up(const placement::Engine& engine,
                              const std::vector<placement::Refusal>& refusals, const NodeArn& arn);
// Adds counts of other instances; again most instances first.
void merge(std::vector<RefusalCount>& counts, const std::vector<RefusalCount>& more);
[[nodiscard]] Failure failure_of(const placement::Refusal& refusal, std::string arn);

}  // namespace berth::control
