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

#include "tests/sim/faults.hpp"

namespace berth::sim {

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
