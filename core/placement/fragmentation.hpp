// SPDX-License-Identifier: Apache-2.0
// Fragmentation: how much of a node's devices is of no use to the tasks that are expected, and how
// much more a placement would waste (fragmentation gradient descent for shared GPUs, FGD).
//
// The fragment of node n for a class m of expected tasks, in thousandths of a device, U being the
// sum of what its devices have left:
//   F(n, m) = U where m takes no device, or too little cpu is left, or fewer accepted devices than
//   m
//             takes have its share left; else the sum over the devices that m does not accept or
//             that have less than its share left.
//   F(n) = sum over m of weight(m) F(n, m)
// A placement's delta is F(n) after it less F(n) before it; the smaller the better. It is scored by
// levels: floor(Q / (1 + exp(delta))), delta in devices and with weights that sum to 1. All of it
// is done in integers: thresholds of delta, one a level, are computed once.
//
// Memory and everything else that a node must have are no part of it: check them before.
// Threads: any; a Fragmentation is immutable. Errors: see make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/placement/result.hpp"

namespace berth::placement {

// Device models by numbers that the caller gives them; bit i of a set is model i.
using ModelSet = std::uint64_t;
inline constexpr ModelSet kAnyModel = ~ModelSet{0};
inline constexpr std::uint32_t kMaxModels = 64;

// A device of a node: what is left of it.
struct DeviceFree {
  std::int32_t share_milli = 0;  // 0 to 1000; 1000: it can be given whole
  std::uint32_t model = 0;       // below kMaxModels
};

// What a node has left. Valid as long as the devices are.
struct NodeFree {
  std::int64_t cpu = 0;  // in any unit, the same everywhere
  std::span<const DeviceFree> devices;
};

// What one task takes: no device, a part of one, or so many whole ones.
struct DeviceAsk {
  std::int64_t cpu = 0;
  std::int32_t devices = 0;
  std::int32_t share_milli = 0;  // of each: 1 to 1000, below 1000 with one device only
  ModelSet models = kAnyModel;   // that are accepted
  auto operator<=>(const DeviceAsk&) const = default;

  [[nodiscard]] bool whole() const { return share_milli == 1000; }
  [[nodiscard]] bool fits(const DeviceFree& device) const {
    return device.share_milli >= share_milli && (models >> device.model & 1) != 0;
  }
};

// Tasks that are expected: a class of equal ones, and how many there are for each of another class.
struct TargetClass {
  DeviceAsk ask;
  std::int64_t weight = 0;
};

// The most frequent classes that together make up at least `cover_percent` of the weight, most
// frequent first; of equally frequent ones the larger request first (by cpu, share, devices,
// models).
[[nodiscard]] std::vector<TargetClass> most_frequent(std::vector<TargetClass> classes,
                                                     int cover_percent = 95);

// Where on a node a task goes, and how good that is.
struct DeviceChoice {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::int32_t score = 0;      // higher is better
  std::size_t device = kNone;  // the first that is taken; of several, the further ones are the next
                               // that fit
  auto operator<=>(const DeviceChoice&) const = default;
};

class Fragmentation {
 public:
  static constexpr std::int32_t kDefaultLevels = 100;
  static constexpr std::int32_t kMaxLevels = 100'000;
  static constexpr std::int64_t kMaxWeight = std::int64_t{1} << 32;  // of all classes together
  static constexpr std::size_t kMaxClasses = 4096;

  // Errors: Invalid; `what` is "levels", "classes" or the member, as "classes[2].share_milli".
  [[nodiscard]] static Result<Fragmentation> make(std::vector<TargetClass> classes,
                                                  std::int32_t levels = kDefaultLevels);

  // F(n): thousandths of a device times weight.
  [[nodiscard]] std::int64_t of(const NodeFree& node) const;
  // What F(n) is multiplied by, compared with devices and weights that sum to 1.
  [[nodiscard]] std::int64_t unit() const { return 1000 * total_weight_; }
  [[nodiscard]] std::int32_t level(std::int64_t delta) const;

  // The best place for a task: a part comes from the device with the best score, the first of equal
  // ones; whole devices are the first that fit. Nothing where devices or cpu do not suffice.
  [[nodiscard]] std::optional<DeviceChoice> choose(const NodeFree& node,
                                                   const DeviceAsk& ask) const;

  [[nodiscard]] std::span<const TargetClass> classes() const { return classes_; }
  [[nodiscard]] std::int32_t levels() const {
    return static_cast<std::int32_t>(thresholds_.size()) + 1;
  }

 private:
  Fragmentation() = default;
  [[nodiscard]] std::int64_t delta_of_cpu(const NodeFree& node, std::int64_t cpu) const;
  [[nodiscard]] std::int64_t delta_of_whole(const NodeFree& node, const DeviceAsk& ask) const;
  [[nodiscard]] DeviceChoice choose_part(const NodeFree& node, const DeviceAsk& ask) const;

  std::vector<TargetClass> classes_;       // as given
  std::vector<TargetClass> with_devices_;  // of them
  std::int64_t without_devices_ = 0;       // weight of the others: all that is left is a fragment
  std::int64_t total_weight_ = 0;
  std::vector<std::int64_t> thresholds_;  // [j]: level j + 1 is reached by deltas up to this one;
                                          // descending
};

}  // namespace berth::placement
