// SPDX-License-Identifier: Apache-2.0
// How the strategies of a request see one node among those that fit, now.
//
// A restatement of what the engine decides, for people: each strategy in turn compares the place
// with what the strategies before keep. At a cost of the nodes. Threads: as the engine.
#pragma once

#include <optional>
#include <vector>

#include "core/control/commands.hpp"
#include "core/placement/engine.hpp"

namespace berth::control {

// The place in question. The task that is there already is taken for absent: its resources for
// free, and itself for not counted.
struct PlaceInQuestion {
  placement::NodeIndex node{};
  std::int64_t held_cpu = 0;
  std::int64_t held_memory_mib = 0;
  bool counted = false;  // a task of the group that is not retired
};

// One term for each strategy up to the first that would not keep the place. `fitting` may hold the
// place or not.
[[nodiscard]] std::vector<StrategyTerm> weigh(const placement::Engine& engine,
                                              const std::string& group,
                                              const std::vector<placement::Strategy>& strategies,
                                              const std::vector<placement::NodeIndex>& fitting,
                                              const PlaceInQuestion& place);

}  // namespace berth::control
