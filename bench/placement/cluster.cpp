// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/cluster.hpp"

namespace berth::bench {

Tally::OnNode* Tally::find(std::uint32_t node, std::uint32_t group) {
  for (OnNode& entry : of_node_[node]) {
    if (entry.group == group) return &entry;
  }
  return nullptr;
}

std::int32_t Tally::tasks(std::uint32_t node, std::uint32_t group) const {
  for (const OnNode& entry : of_node_[node]) {
    if (entry.group == group) return entry.tasks;
  }
  return 0;
}

void Tally::add(std::uint32_t node, std::uint32_t group, std::uint32_t zone) {
  ++by_zone_[group][zone];
  Nodes& nodes = of_group_[group];
  if (OnNode* entry = find(node, group)) {
    ++entry->tasks;
    ++nodes[entry->at].second;
    return;
  }
  of_node_[node].push_back(
      {static_cast<std::uint16_t>(group), 1, static_cast<std::uint32_t>(nodes.size())});
  nodes.emplace_back(node, 1);
}

void Tally::remove(std::uint32_t node, std::uint32_t group, std::uint32_t zone) {
  --by_zone_[group][zone];
  OnNode* entry = find(node, group);
  --of_group_[group][entry->at].second;
  if (--entry->tasks > 0) return;
  erase_from_group(*entry);
  *entry = of_node_[node].back();
  of_node_[node].pop_back();
}

void Tally::drop_node(std::uint32_t node, std::uint32_t zone) {
  for (const OnNode& entry : of_node_[node]) {
    by_zone_[entry.group][zone] -= entry.tasks;
    erase_from_group(entry);
  }
  of_node_[node].clear();
}

void Tally::erase_from_group(const OnNode& entry) {
  Nodes& nodes = of_group_[entry.group];
  find(nodes.back().first, entry.group)->at = entry.at;
  nodes[entry.at] = nodes.back();
  nodes.pop_back();
}

}  // namespace berth::bench
