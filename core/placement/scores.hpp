// SPDX-License-Identifier: Apache-2.0
// Scores of a node for a task, from what the node has left. Pure functions; higher is better.
//
// They decide nothing about whether the task fits: that is checked before, and each may assume it.
// Of nodes with equal scores the caller takes the first in its order; how coarse a score is
// (levels) therefore matters as much as what it measures. Scores are the same on every machine that
// has IEEE doubles. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/placement/fragmentation.hpp"

namespace berth::placement {

inline constexpr std::int32_t kDefaultScoreLevels = 100;

// One kind of resource: what the node has left of it, and what the task takes.
struct Dimension {
  std::int64_t free = 0;     // before the placement
  std::int64_t request = 0;  // at most `free`
  std::int64_t scale = 0;    // what both are measured by; at least 1
};

// floor(levels (1 - mean over i of (free - request) / scale)), the scales being the largest node's
// of the cluster: prefers the node on which the least is left afterwards. 0 without dimensions.
[[nodiscard]] std::int32_t best_fit(std::span<const Dimension> dimensions,
                                    std::int32_t levels = kDefaultScoreLevels);

// floor(levels (1 - mean over i of (free / scale) (request / scale))), the scales being the largest
// node's of the cluster: the *smaller* the dot product the better. (Tetris prefers the larger, as
// it chooses a task for a machine; to choose a machine for a task by that is a worst fit.)
[[nodiscard]] std::int32_t dot_product(std::span<const Dimension> dimensions,
                                       std::int32_t levels = kDefaultScoreLevels);

// Best fit by the L2 norm: kL2Whole less the mean over i of floor(2^15 (free - request) / scale)^2,
// the scales being what *this node* has in all. Integers only; 0 to kL2Whole.
inline constexpr std::int32_t kL2Whole = std::int32_t{1} << 30;
[[nodiscard]] std::int32_t l2_fit(std::span<const Dimension> dimensions);

// The device with the least left that serves a part, the first of equal ones; for whole devices the
// first that fits. Nothing where fewer fit than are asked for, or none is.
[[nodiscard]] std::optional<std::size_t> tightest_device(std::span<const DeviceFree> devices,
                                                         const DeviceAsk& ask);

// GPU packing, 0 to 100: parts of devices in use before free devices of a node in use before a free
// node. 0 for a task without devices.
//   no device in use: max(33 - the node's devices, 0)
//   else, of the tightest devices that fit, f being wholly free:
//     f > 0: max(50 - f, 33)
//     f = 0: max(100 - floor(sum of what they have left in percent / 10), 50)
[[nodiscard]] std::int32_t gpu_packing(std::span<const DeviceFree> devices, const DeviceAsk& ask);

// What kinds of device tasks a node runs. A kind is "parts", or a number of whole devices.
struct HostedKinds {
  bool same = false;    // as the task's
  bool others = false;  // any other kind
};
// GPU clustering, 0 to 100: floor(25 used / scale) and 75 more where the node runs device tasks of
// the same kind only, 50 more where of that kind and others, 25 more where none, 0 more where
// others only. `left_milli` is what the node's devices have left in all, `scale_milli` what the
// largest node's have. 0 for a task without devices.
struct ClusteringInput {
  std::int64_t left_milli = 0;
  std::int64_t scale_milli = 0;
  HostedKinds hosted;
};
[[nodiscard]] std::int32_t gpu_clustering(const ClusteringInput& node, const DeviceAsk& ask);

}  // namespace berth::placement
