// SPDX-License-Identifier: Apache-2.0
// The load of bench_placement: a cluster at a given fill, task shapes, groups, and who plays it.
//
// Everything is drawn from one seed, so that each player meets the same nodes, tasks and requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/placement/types.hpp"

namespace berth::bench {

inline constexpr std::size_t kShapes = 256;
inline constexpr std::size_t kGroups = 512;  // group g has shape g % kShapes
inline constexpr std::uint32_t kZones = 3;

// SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll();
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(roll() % end); }

 private:
  std::uint64_t state_;
};

struct Shape {
  std::int32_t cpu = 0;
  std::int32_t memory_mib = 0;
};

struct Host {
  std::int32_t cpu = 0;
  std::int32_t memory_mib = 0;
  std::uint32_t zone = 0;
  std::uint32_t color =
      0;  // 0 or 1; the chain's memberOf constraint asks for one: half of the nodes
};

struct Running {
  std::uint32_t node = 0;
  std::uint32_t group = 0;
};

struct Load {
  std::vector<Host> hosts;
  std::vector<Shape> shapes;
  std::vector<Running> running;  // what fills the hosts, in the order in which it ends

  // The color that the chain asks for: half of the groups one, half the other.
  [[nodiscard]] static std::uint32_t color_of(std::uint32_t group) { return group % 2; }
  [[nodiscard]] const Shape& shape_of(std::uint32_t group) const { return shapes[group % kShapes]; }
};

// Hosts of six sizes; each filled with tasks to about `fill_percent` of its cpu.
[[nodiscard]] Load make_load(std::size_t nodes, int fill_percent);

enum class Plan { BinpackCpu, BinpackMemory, SpreadZone, SpreadInstance, Random, Chain };
inline constexpr Plan kPlans[] = {Plan::BinpackCpu,     Plan::BinpackMemory, Plan::SpreadZone,
                                  Plan::SpreadInstance, Plan::Random,        Plan::Chain};
[[nodiscard]] std::string name_of(Plan plan);

// One step: place a task of a group, end the oldest; in one of a hundred steps a node drains or
// comes back.
struct Step {
  std::uint32_t group = 0;
  std::uint64_t dice = 0;
};

}  // namespace berth::bench
