// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/scan_player.hpp"

namespace berth::bench {
namespace {

constexpr std::uint64_t kNone = ~std::uint64_t{0};

Counting counting_of(Plan plan) {
  const bool counts =
      plan == Plan::SpreadZone || plan == Plan::SpreadInstance || plan == Plan::Chain;
  return counts ? Counting::ByGroup : Counting::None;
}

}  // namespace

ScanPlayer::ScanPlayer(const Load& load, Plan plan)
    : ClusterPlayer(load, counting_of(plan)),
      plan_(plan),
      tasks_of_node_(load.hosts.size()),
      fitting_(load.hosts.size()) {}

template <typename Accepts, typename KeyOf>
std::optional<std::uint32_t> ScanPlayer::first_least(const Shape& shape, const Accepts& accepts,
                                                     const KeyOf& key_of) const {
  std::uint64_t least = kNone;
  std::uint32_t best = 0;
  for (std::uint32_t node = 0; node < cluster_.end(); ++node) {
    // One branch, nearly never taken: which nodes fit cannot be foretold.
    const auto counts = static_cast<std::uint64_t>(cluster_.fits(node, shape)) &
                        static_cast<std::uint64_t>(accepts(node));
    const std::uint64_t key = static_cast<std::uint64_t>(key_of(node)) | (counts - 1);
    if (key < least) {
      least = key;
      best = node;
    }
  }
  return least == kNone ? std::nullopt : std::optional(best);
}

std::optional<std::uint32_t> ScanPlayer::any_of(const Shape& shape, std::uint64_t dice) {
  std::uint32_t count = 0;
  for (std::uint32_t node = 0; node < cluster_.end(); ++node) {
    fitting_[count] = node;
    count += cluster_.fits(node, shape) ? 1 : 0;
  }
  if (count == 0) return std::nullopt;
  return fitting_[dice % count];
}

std::optional<std::uint32_t> ScanPlayer::decide(const Step& step) {
  const Shape& shape = cluster_.load().shape_of(step.group);
  const auto all = [](std::uint32_t) { return true; };
  const auto& zones =
      cluster_.tally().by_zone(plan_ == Plan::SpreadZone || plan_ == Plan::Chain ? step.group : 0);
  const auto in_zone = [&](std::uint32_t node) -> std::int64_t {
    return zones[static_cast<std::size_t>(cluster_.zone()[node])];
  };
  switch (plan_) {
    case Plan::BinpackCpu:
      return first_least(shape, all, [this](std::uint32_t node) { return cluster_.cpu()[node]; });
    case Plan::BinpackMemory:
      return first_least(shape, all,
                         [this](std::uint32_t node) { return cluster_.memory()[node]; });
    case Plan::SpreadInstance: {
      const Tally::Nodes& nodes = cluster_.tally().nodes_of(step.group);
      for (const auto& [node, tasks] : nodes) tasks_of_node_[node] = tasks;
      const auto best =
          first_least(shape, all, [this](std::uint32_t node) { return tasks_of_node_[node]; });
      for (const auto& [node, tasks] : nodes) tasks_of_node_[node] = 0;
      return best;
    }
    case Plan::SpreadZone:
      return first_least(shape, all, in_zone);
    case Plan::Chain: {
      const std::uint32_t color = Load::color_of(step.group);
      return first_least(
          shape, [&](std::uint32_t node) { return cluster_.hosts()[node].color == color; },
          [&](std::uint32_t node) { return in_zone(node) << 32 | cluster_.memory()[node]; });
    }
    case Plan::Random:
      return any_of(shape, step.dice);
  }
  return std::nullopt;
}

}  // namespace berth::bench
