// SPDX-License-Identifier: Apache-2.0
// Which of a node's devices lie close together: on one NUMA node, and there in one link group.
//
// Threads: any; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::placement {

// The devices `candidates` (indices, ascending) in the order in which a task that is to have
// `total` of them should take them, beside those that it has `taken` already: from groups that hold
// all of them before others, of these from the group with the fewest left, so that large groups
// stay whole; where no group holds all, from the largest. Devices without a NUMA node count as one
// group of it, those without a link group as linked with none. Equal ones keep their order.
[[nodiscard]] std::vector<std::size_t> order_by_closeness(std::span<const Device> devices,
                                                          std::vector<std::size_t> candidates,
                                                          std::span<const std::size_t> taken,
                                                          std::int64_t total);

}  // namespace berth::placement
