// SPDX-License-Identifier: Apache-2.0
// The load of the placement benches: a cluster at a given fill, task shapes, groups, plans.
//
// Everything is drawn from one seed, so that each player meets the same nodes, tasks and requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::bench {

inline constexpr std::uint32_t kShapes = 256;  // all different
inline constexpr std::uint32_t kGroups = 512;  // group g has shape g % kShapes
inline constexpr std::uint32_t kZones = 3;
inline constexpr std::uint32_t kColors = 2;

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
  std::uint32_t color = 0;  // the chain's memberOf constraint asks for one: half of the nodes
};

struct Running {
  std::uint32_t node = 0;
  std::uint32_t group = 0;
};

// Mixed: hosts of six sizes, their fill differing as in a cluster in use. Opposed: hosts with
// memory left and no cpu, and the reverse, so that each filter passes half and both together few.
enum class Mix { Mixed, Opposed };

struct Load {
  Mix mix = Mix::Mixed;
  std::vector<Host> hosts;
  std::vector<Shape> shapes;
  std::vector<Running> running;  // what fills the hosts, in the order in which it ends

  // The color that the chain asks for: each shape is asked for in both.
  [[nodiscard]] static std::uint32_t color_of(std::uint32_t group) {
    return group / kShapes % kColors;
  }
  [[nodiscard]] const Shape& shape_of(std::uint32_t group) const { return shapes[group % kShapes]; }
  // A host as those of this load.
  [[nodiscard]] Host draw_host(Dice& dice) const;
};

struct LoadSize {
  std::size_t nodes = 0;
  int fill_percent = 80;  // of cpu; with Mix::Opposed of what a host has less of
  Mix mix = Mix::Mixed;
  bool operator==(const LoadSize&) const = default;
};
[[nodiscard]] Load make_load(LoadSize size);

enum class Plan { BinpackCpu, BinpackMemory, SpreadZone, SpreadInstance, Random, Chain };
inline constexpr Plan kPlans[] = {Plan::BinpackCpu,     Plan::BinpackMemory, Plan::SpreadZone,
                                  Plan::SpreadInstance, Plan::Random,        Plan::Chain};
[[nodiscard]] std::string name_of(Plan plan);
[[nodiscard]] std::optional<Plan> plan_named(std::string_view name);

// What is asked in one step.
struct Step {
  std::uint32_t group = 0;
  std::uint64_t dice = 0;
};

}  // namespace berth::bench
