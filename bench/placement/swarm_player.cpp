// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/swarm_player.hpp"

#include <array>
#include <utility>

namespace berth::bench {

SwarmPlayer::SwarmPlayer(const Load& load, Plan plan)
    : ClusterPlayer(load, Counting::ByGroup),
      by_zone_(plan == Plan::SpreadZone || plan == Plan::Chain),
      constrained_(plan == Plan::Chain),
      tasks_of_service_(load.hosts.size()) {}

bool SwarmPlayer::passes(std::uint32_t node, std::uint32_t group) const {
  return cluster_.is_open(node) && cluster_.fits(node, cluster_.load().shape_of(group)) &&
         (!constrained_ || cluster_.hosts()[node].color == Load::color_of(group));
}

std::optional<std::uint32_t> SwarmPlayer::decide(const Step& step) {
  const Tally::Nodes& nodes = cluster_.tally().nodes_of(step.group);
  for (const auto& [node, tasks] : nodes) tasks_of_service_[node] = tasks;

  struct Leaf {
    std::optional<std::uint32_t> best;
    std::pair<std::int32_t, std::int32_t> tasks{INT32_MAX, INT32_MAX};  // of the service, in all
  };
  std::array<Leaf, kZones> leaves;
  for (std::uint32_t node = 0; node < cluster_.end(); ++node) {
    const std::pair tasks(tasks_of_service_[node], cluster_.tasks()[node]);
    Leaf& leaf = leaves[by_zone_ ? static_cast<std::size_t>(cluster_.zone()[node]) : 0];
    if (tasks < leaf.tasks && passes(node, step.group)) leaf = Leaf{node, tasks};
  }
  for (const auto& [node, tasks] : nodes) tasks_of_service_[node] = 0;

  if (!by_zone_) return leaves[0].best;
  const auto& in_zone = cluster_.tally().by_zone(step.group);
  std::optional<std::uint32_t> taken;
  std::int32_t fewest = INT32_MAX;
  for (std::size_t zone = 0; zone < kZones; ++zone) {
    if (!leaves[zone].best || in_zone[zone] >= fewest) continue;
    fewest = in_zone[zone];
    taken = leaves[zone].best;
  }
  return taken;
}

}  // namespace berth::bench
