// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/zones.hpp"

#include <algorithm>

#include "core/placement/types.hpp"

namespace berth::control {

std::string zone_of(const v1::Node& node) {
  const auto& all = node.attributes();
  const auto zone = std::find_if(all.begin(), all.end(), [](const ecs::Attribute& one) {
    return one.name() == placement::kZoneAttribute;
  });
  return zone == all.end() ? std::string() : zone->value();
}

bool Zones::look(const ClusterName& cluster, const NodeId& node,
                 const ContainerInstance* instance) {
  const bool usable = instance != nullptr && instance->status == InstanceStatus::Active &&
                      instance->node.connected();
  const std::string zone = usable ? zone_of(instance->node) : std::string();
  std::map<std::string, int>& counts = counts_[cluster];
  const auto known = zone_.find(node);
  if (known != zone_.end() && known->second == zone) return false;
  bool changed = false;
  if (known != zone_.end()) {
    const auto at = counts.find(known->second);
    if (--at->second == 0) {
      counts.erase(at);
      changed = true;
    }
    zone_.erase(known);
  }
  if (zone.empty()) return changed;
  zone_.emplace(node, zone);
  return ++counts[zone] == 1 || changed;
}

const std::map<std::string, int>& Zones::of(const ClusterName& cluster) const {
  static const std::map<std::string, int> kNone;
  const auto at = counts_.find(cluster);
  return at == counts_.end() ? kNone : at->second;
}

}  // namespace berth::control
