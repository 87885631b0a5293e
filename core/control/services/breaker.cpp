// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/breaker.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace berth::control {
namespace {

constexpr int kLeast = 3;
constexpr int kMost = 200;
constexpr int kDefaultPercent = 50;
constexpr milliseconds kFirstWait = std::chrono::seconds(1);
constexpr milliseconds kLongestWait = std::chrono::minutes(15);

}  // namespace

bool counts_as_failure(TaskEnd end, bool has_run, BreakerRules rules) {
  switch (end) {
    case TaskEnd::Wanted:
    case TaskEnd::Exit:
      return false;
    case TaskEnd::FailedStart:
      return rules.counts_early_exits || !has_run;
    case TaskEnd::EarlyExit:
      return rules.counts_early_exits;
    case TaskEnd::FailedHealth:
      return true;
  }
  return false;
}

int breaker_threshold(const model::DeploymentCircuitBreaker& breaker, int desired) {
  const auto& threshold = breaker.threshold_configuration();
  if (threshold.type() == "COUNT") return std::max(1, threshold.value());
  const std::int64_t percent = threshold.has_value() ? threshold.value() : kDefaultPercent;
  const std::int64_t part = (desired * percent + 99) / 100;
  if (threshold.type() == "UNBOUNDED_PERCENT") {
    constexpr std::int64_t kInt = std::numeric_limits<int>::max();
    return static_cast<int>(std::clamp<std::int64_t>(part, 1, kInt));
  }
  return static_cast<int>(std::clamp<std::int64_t>(part, kLeast, kMost));
}

bool resets_on_healthy_task(const model::DeploymentCircuitBreaker& breaker) {
  return !breaker.has_reset_on_healthy_task() || breaker.reset_on_healthy_task();
}

milliseconds restart_wait(int round) {
  if (round < 1) return milliseconds(0);
  return std::min(kLongestWait, kFirstWait * (1 << std::min(round - 1, 20)));
}

}  // namespace berth::control
