// SPDX-License-Identifier: Apache-2.0
#include "bench/placement_load.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace berth::bench {
namespace {

// vCPU and GiB of common instance sizes.
constexpr std::array<std::pair<int, int>, 6> kSizes = {
    {{2, 8}, {4, 8}, {4, 16}, {8, 16}, {8, 32}, {16, 32}}};

}  // namespace

std::uint64_t Dice::roll() {
  std::uint64_t x = state_ += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

Load make_load(std::size_t nodes, int fill_percent) {
  Dice dice(42);
  Load load;
  for (std::size_t i = 0; i < kShapes; ++i) {
    load.shapes.push_back({static_cast<std::int32_t>(128 + dice.below(15) * 64),
                           static_cast<std::int32_t>(128 + dice.below(31) * 64)});
  }
  for (std::uint32_t node = 0; node < nodes; ++node) {
    const auto [vcpu, gib] = kSizes[dice.below(kSizes.size())];
    load.hosts.push_back({vcpu * 1024, gib * 1024, dice.below(kZones), dice.below(2)});
    Host left = load.hosts.back();
    // Hosts differ in fill, by up to ten percent either way, as in a cluster that is in use.
    const std::int32_t wanted =
        left.cpu / 100 * std::min(100, fill_percent - 10 + static_cast<int>(dice.below(21)));
    for (int misses = 0; misses < 8 && load.hosts.back().cpu - left.cpu < wanted;) {
      const std::uint32_t group = dice.below(kGroups);
      const Shape& shape = load.shape_of(group);
      if (shape.cpu > left.cpu || shape.memory_mib > left.memory_mib) {
        ++misses;
        continue;
      }
      left.cpu -= shape.cpu;
      left.memory_mib -= shape.memory_mib;
      load.running.push_back({node, group});
    }
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
  return {};
}

}  // namespace berth::bench
