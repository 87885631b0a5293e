// SPDX-License-Identifier: Apache-2.0
// What GET /metrics tells of placement: decisions, why tasks found no place, how long a decision
// takes, and what is placed.
//
// The core reads no clock: it calls this meter before and after each decision, and here is the
// stopwatch. Threads: all but the constructor on the loop; the registry is read from any.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/control/control.hpp"

namespace berth::daemon {

class PlacementMetrics final : public control::DecisionMeter {
 public:
  // `nanoseconds` is a clock that never goes back; empty: the machine's own.
  explicit PlacementMetrics(prometheus::Registry& registry,
                            std::function<std::int64_t()> nanoseconds = {});
  ~PlacementMetrics() override;

  void begin() override;
  void end(bool placed) override;
  void refused(const std::string& reason, int instances) override;
  // What there is now.
  void show(const control::PlacementStats& stats);

 private:
  struct Series;
  std::unique_ptr<Series> series_;
  std::function<std::int64_t()> nanoseconds_;
  std::int64_t begun_ = 0;
};

}  // namespace berth::daemon
