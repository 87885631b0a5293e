// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/load.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace berth::bench {
namespace {

// vCPU and GiB of common instance sizes.
constexpr std::array<std::pair<int, int>, 6> kSizes = {
    {{2, 8}, {4, 8}, {4, 16}, {8, 16}, {8, 32}, {16, 32}}};
// Much cpu and little memory, and the reverse.
constexpr std::array<std::pair<int, int>, 2> kOpposedSizes = {{{16, 4}, {2, 64}}};

// Every cpu with every memory.
std::vector<Shape> all_shapes() {
  std::vector<Shape> shapes;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(kShapes); ++i) {
    shapes.push_back({64 * (1 + i % 16), 112 * (1 + i / 16)});
  }
  return shapes;
}

bool fits(const Shape& shape, const Host& left) {
  return shape.cpu <= left.cpu && shape.memory_mib <= left.memory_mib;
}

// The fitting group with the most cpu, from `first` on; kGroups where none fits.
std::uint32_t largest_fitting(const Load& load, const Host& left, std::uint32_t first) {
  std::uint32_t best = kGroups;
  for (std::uint32_t i = 0; i < kGroups; ++i) {
    const std::uint32_t group = (first + i) % kGroups;
    if (!fits(load.shape_of(group), left)) continue;
    if (best == kGroups || load.shape_of(group).cpu > load.shape_of(best).cpu) best = group;
  }
  return best;
}

// Tasks for one host, until the share of it that is used is about `percent` or nothing more fits.
void fill(Load& load, std::uint32_t node, int percent, Dice& dice) {
  const Host& host = load.hosts[node];
  Host left = host;
  const bool by_cpu = host.cpu <= host.memory_mib;
  const std::int32_t keep = (by_cpu ? host.cpu : host.memory_mib) / 100 * (100 - percent);
  for (int misses = 0;;) {
    std::uint32_t group = dice.below(kGroups);
    if (!fits(load.shape_of(group), left)) {
      if (++misses < 8) continue;
      group = largest_fitting(load, left, group);
      if (group == kGroups) return;
    }
    const Shape& shape = load.shape_of(group);
    // Half of a task over the mark is as near to it as half of one under it.
    const std::int32_t over =
        by_cpu ? keep - left.cpu + shape.cpu / 2 : keep - left.memory_mib + shape.memory_mib / 2;
    if (over > 0) return;
    left.cpu -= shape.cpu;
    left.memory_mib -= shape.memory_mib;
    load.running.push_back({node, group});
  }
}

}  // namespace

std::uint64_t Dice::roll() {
  std::uint64_t x = state_ += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

Host Load::draw_host(Dice& dice) const {
  const auto [vcpu, gib] =
      mix == Mix::Mixed ? kSizes[dice.below(kSizes.size())] : kOpposedSizes[dice.below(2)];
  return {vcpu * 1024, gib * 1024, dice.below(kZones), dice.below(kColors)};
}

Load make_load(LoadSize size) {
  Dice dice(42);
  Load load{.mix = size.mix, .hosts = {}, .shapes = all_shapes(), .running = {}};
  // Hosts differ in fill, by up to ten percent either way.
  const int range = std::min(10, 100 - size.fill_percent);
  for (std::uint32_t node = 0; node < size.nodes; ++node) {
    load.hosts.push_back(load.draw_host(dice));
    const auto more = static_cast<int>(dice.below(static_cast<std::uint32_t>(2 * range + 1)));
    fill(load, node, size.fill_percent - range + more, dice);
  }
  for (std::size_t i = load.running.size(); i > 1; --i) {
    std::swap(load.running[i - 1], load.running[dice.roll() % i]);
  }
  return load;
}

std::string name_of(Plan plan) {
  switch (plan) {
    case Plan::BinpackCpu:
      return "binpack_cpu";
    case Plan::BinpackMemory:
      return "binpack_memory";
    case Plan::SpreadZone:
      return "spread_zone";
    case Plan::SpreadInstance:
      return "spread_instance";
    case Plan::Random:
      return "random";
    case Plan::Chain:
      return "chain";
  }
  std::abort();
}

std::optional<Plan> plan_named(std::string_view name) {
  for (const Plan plan : kPlans) {
    if (name_of(plan) == name) return plan;
  }
  return std::nullopt;
}

}  // namespace berth::bench
