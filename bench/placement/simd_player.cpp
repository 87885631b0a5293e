// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/simd_player.hpp"

#include <algorithm>
#include <bit>

namespace berth::bench {
namespace {

using placement::Best;
using placement::Kernels;

Counting counting_of(Plan plan) {
  const bool counts =
      plan == Plan::SpreadZone || plan == Plan::SpreadInstance || plan == Plan::Chain;
  return counts ? Counting::ByGroup : Counting::None;
}

const Kernels& widest() {
  if (const Kernels* wide = placement::avx512_kernels()) return *wide;
  if (const Kernels* half = placement::avx2_kernels()) return *half;
  return placement::scalar_kernels();
}

std::optional<std::uint32_t> node_of(const Best& best) {
  return best.node == Best::kNone ? std::nullopt
                                  : std::optional(static_cast<std::uint32_t>(best.node));
}

template <typename Words>
std::optional<std::uint32_t> first_of(const Words& nodes) {
  for (std::uint32_t w = 0; w < nodes.size(); ++w) {
    if (nodes[w] != 0) return w * 64 + static_cast<std::uint32_t>(std::countr_zero(nodes[w]));
  }
  return std::nullopt;
}

}  // namespace

SimdPlayer::SimdPlayer(const Load& load, Plan plan)
    : ClusterPlayer(load, counting_of(plan)),
      plan_(plan),
      kernels_(widest()),
      all_(cluster_.cpu().size() / 64, ~std::uint64_t{0}),
      scratch_(all_.size()),
      together_(all_.size()),
      tasks_of_node_(cluster_.cpu().size()) {
  for (auto& zones : parts_) {
    for (Words& part : zones) part.resize(has_parts() ? all_.size() : 0);
  }
  for (std::uint32_t node = 0; node < load.hosts.size(); ++node) mark(node, load.hosts[node], true);
}

const char* SimdPlayer::instructions() {
  if (placement::avx512_kernels() != nullptr) return "avx512";
  return placement::avx2_kernels() != nullptr ? "avx2" : "scalar";
}

void SimdPlayer::mark(std::uint32_t node, const Host& host, bool present) {
  if (!has_parts()) return;
  const std::uint64_t bit = std::uint64_t{1} << (node % 64);
  std::uint64_t& word = parts_[plan_ == Plan::Chain ? host.color : 0][host.zone][node / 64];
  word = present ? word | bit : word & ~bit;
}

Shape SimdPlayer::remove_node(std::uint32_t node) {
  mark(node, cluster_.hosts()[node], false);
  return cluster_.remove_node(node);
}

void SimdPlayer::add_node(std::uint32_t node, const Host& host) {
  cluster_.add_node(node, host);
  mark(node, host, true);
}

// Zone by zone, those with equally few tasks together: one pass, mostly.
std::optional<std::uint32_t> SimdPlayer::by_zone(const Floors& floors, std::uint32_t group) {
  const auto& tasks = cluster_.tally().by_zone(group);
  std::array<std::uint32_t, kZones> order{};
  for (std::uint32_t zone = 0; zone < kZones; ++zone) order[zone] = zone;
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return tasks[a] < tasks[b]; });
  const auto& zones = parts_[plan_ == Plan::Chain ? Load::color_of(group) : 0];
  for (std::uint32_t i = 0; i < kZones;) {
    const std::uint32_t first = i++;
    const Words* nodes = &zones[order[first]];
    for (; i < kZones && tasks[order[i]] == tasks[order[first]]; ++i) {
      const Words& more = zones[order[i]];
      for (std::size_t w = 0; w < more.size(); ++w) together_[w] = (*nodes)[w] | more[w];
      nodes = &together_;
    }
    const auto best =
        plan_ == Plan::Chain
            ? node_of(kernels_.first_least(*nodes, floors, {cluster_.memory().data()}))
            : first_of(filtered(*nodes, floors));
    if (best) return best;
  }
  return std::nullopt;
}

// Those without a task of the group first, which mostly is enough; else by count.
std::optional<std::uint32_t> SimdPlayer::by_instance(const Floors& floors, std::uint32_t group) {
  const Tally::Nodes& nodes = cluster_.tally().nodes_of(group);
  together_ = all_;
  for (const auto& [node, tasks] : nodes)
    together_[node / 64] &= ~(std::uint64_t{1} << (node % 64));
  if (const auto empty = first_of(filtered(together_, floors))) return empty;
  for (const auto& [node, tasks] : nodes) tasks_of_node_[node] = tasks;
  const Best best = kernels_.first_least(all_, floors, {tasks_of_node_.data()});
  for (const auto& [node, tasks] : nodes) tasks_of_node_[node] = 0;
  return node_of(best);
}

const SimdPlayer::Words& SimdPlayer::filtered(const Words& nodes, const Floors& floors) {
  std::fill(scratch_.begin(), scratch_.end(), 0);
  kernels_.filter(nodes, floors, scratch_.data());
  return scratch_;
}

std::optional<std::uint32_t> SimdPlayer::any_of(const Floors& floors, std::uint64_t dice) {
  static_cast<void>(filtered(all_, floors));
  std::uint64_t fitting = 0;
  for (const std::uint64_t word : scratch_)
    fitting += static_cast<std::uint64_t>(std::popcount(word));
  if (fitting == 0) return std::nullopt;
  std::uint64_t rank = dice % fitting;
  for (std::uint32_t w = 0; w < scratch_.size(); ++w) {
    std::uint64_t word = scratch_[w];
    const auto here = static_cast<std::uint64_t>(std::popcount(word));
    if (rank >= here) {
      rank -= here;
      continue;
    }
    for (; rank > 0; --rank) word &= word - 1;
    return w * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  return std::nullopt;
}

std::optional<std::uint32_t> SimdPlayer::decide(const Step& step) {
  const Shape& shape = cluster_.load().shape_of(step.group);
  const placement::Floor cpu{cluster_.cpu().data(), shape.cpu};
  const placement::Floor memory{cluster_.memory().data(), shape.memory_mib};
  const Floors floors{cpu, memory};
  switch (plan_) {
    case Plan::BinpackCpu:
      return node_of(kernels_.first_least(all_, floors, {cluster_.cpu().data()}));
    case Plan::BinpackMemory:
      return node_of(kernels_.first_least(all_, floors, {cluster_.memory().data()}));
    case Plan::SpreadInstance:
      return by_instance(floors, step.group);
    case Plan::SpreadZone:
    case Plan::Chain:
      return by_zone(floors, step.group);
    case Plan::Random:
      return any_of(floors, step.dice);
  }
  return std::nullopt;
}

}  // namespace berth::bench
