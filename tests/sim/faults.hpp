// SPDX-License-Identifier: Apache-2.0
// What may go wrong in a simulated world.
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace berth::sim {

// Weights, in a hundred, of what goes wrong; 0: never.
struct Faults {
  int refuse_start = 0;
  int break_start = 0;  // it happens, and the answer is INTERNAL
  int plugin_busy = 0;  // UNAVAILABLE without having done anything
  int never_answer = 0;
  int lose = 0;  // reports, inventories, answers
  int repeat = 0;
  int reorder = 0;  // what is said, or worked on
  int node_away = 0;
  int node_gone = 0;
  int ill_health = 0;  // checks of a healthy task fail
  int plugin_restart = 0;
  int crash = 0;  // between any two effects; the store loses its unsynced tail
  int store_failure = 0;
  int bad_rollout = 0;   // to a revision that cannot start or never becomes healthy
  int stop_rollout = 0;  // by StopServiceDeployment
};
inline constexpr std::array<std::pair<std::string_view, int Faults::*>, 15> kFaults{
    {{"refuse_start", &Faults::refuse_start},
     {"break_start", &Faults::break_start},
     {"plugin_busy", &Faults::plugin_busy},
     {"never_answer", &Faults::never_answer},
     {"lose", &Faults::lose},
     {"repeat", &Faults::repeat},
     {"reorder", &Faults::reorder},
     {"node_away", &Faults::node_away},
     {"node_gone", &Faults::node_gone},
     {"ill_health", &Faults::ill_health},
     {"plugin_restart", &Faults::plugin_restart},
     {"crash", &Faults::crash},
     {"store_failure", &Faults::store_failure},
     {"bad_rollout", &Faults::bad_rollout},
     {"stop_rollout", &Faults::stop_rollout}}};

}  // namespace berth::sim
