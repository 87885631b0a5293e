// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/rebalance.hpp"

#include <algorithm>

namespace berth::control {

Rebalancing rebalance(const ZonePicture& picture) {
  Rebalancing decision;
  int most = 0;
  int least = picture.zones.empty() ? 0 : picture.zones.front().tasks;
  const ZoneTasks* from = nullptr;
  const ZoneTasks* to = nullptr;
  for (const ZoneTasks& zone : picture.zones) {
    most = std::max(most, zone.tasks);
    least = std::min(least, zone.tasks);
    if (zone.movable > 0 && (from == nullptr || zone.tasks > from->tasks)) from = &zone;
    if (zone.open && (to == nullptr || zone.tasks < to->tasks)) to = &zone;
  }
  decision.balanced = most - least < 2;
  if (!picture.settled || from == nullptr || to == nullptr) return decision;
  const int moves = std::min((from->tasks - to->tasks) / 2, from->movable);
  const int start = std::min(moves, picture.upper - picture.total);
  if (start <= 0) return decision;
  decision.start = start;
  decision.zone = to->zone;
  return decision;
}

}  // namespace berth::control
