// SPDX-License-Identifier: Apache-2.0
// What worlds the steps of a run were taken in: how many hosts and services there were, and which
// faults could happen.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
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

class Coverage {
 public:
  void step(std::size_t hosts, std::size_t services, const Faults& faults) {
    ++hosts_[bucket(hosts)];
    ++services_[bucket(services)];
    int kinds = 0;
    for (std::size_t i = 0; i < kFaults.size(); ++i) {
      if (faults.*kFaults[i].second == 0) continue;
      ++kinds;
      ++by_fault_[i];
    }
    ++kinds_[bucket(static_cast<std::size_t>(kinds))];
  }
  // Steps by what the world had: "steps with hosts 2-4", "steps with fault crash", ...
  [[nodiscard]] std::map<std::string, std::uint64_t> histogram() const {
    std::map<std::string, std::uint64_t> all;
    for (std::size_t i = 0; i < kBuckets.size(); ++i) {
      const std::string range(kBuckets[i].second);
      all["steps with hosts " + range] = hosts_[i];
      all["steps with services " + range] = services_[i];
      all["steps with kinds of faults " + range] = kinds_[i];
    }
    for (std::size_t i = 0; i < kFaults.size(); ++i) {
      all["steps with fault " + std::string(kFaults[i].first)] = by_fault_[i];
    }
    return all;
  }

 private:
  // The last number of each, and how it is written.
  static constexpr std::array<std::pair<std::size_t, std::string_view>, 7> kBuckets{
      {{0, "0"},
       {1, "1"},
       {4, "2-4"},
       {8, "5-8"},
       {20, "9-20"},
       {200, "21-200"},
       {~std::size_t{0}, "201-"}}};
  static std::size_t bucket(std::size_t number) {
    std::size_t at = 0;
    while (number > kBuckets[at].first) ++at;
    return at;
  }

  std::array<std::uint64_t, kBuckets.size()> hosts_{};
  std::array<std::uint64_t, kBuckets.size()> services_{};
  std::array<std::uint64_t, kBuckets.size()> kinds_{};
  std::array<std::uint64_t, kFaults.size()> by_fault_{};
};

}  // namespace berth::sim
