// SPDX-License-Identifier: Apache-2.0
// The pure rules that the service scheduler goes by, as one table: so that the simulation can plant
// a defect in each and see it found.
//
// Threads: any.
#pragma once

#include "core/control/services/breaker.hpp"
#include "core/control/services/decide.hpp"
#include "core/control/services/percent.hpp"
#include "core/control/services/rebalance.hpp"

namespace berth::control {

struct ServiceRules {
  // How long a deployment's first task is waited for to say what its tags stand for.
  milliseconds resolution_wait = std::chrono::seconds(10);
  Bounds (*bounds)(int desired, Percentages percentages) = &bounds_of;
  ReplicaDecision (*replica)(const ReplicaPicture& picture) = &decide;
  DaemonDecision (*daemon)(const DaemonPicture& picture) = &decide;
  Rebalancing (*rebalance)(const ZonePicture& picture) = &control::rebalance;
  int (*threshold)(const model::DeploymentCircuitBreaker& breaker,
                   int desired) = &breaker_threshold;
  bool (*resets)(const model::DeploymentCircuitBreaker& breaker) = &resets_on_healthy_task;
};

// Those in force where a Config names no others.
inline constexpr ServiceRules kServiceRules{};

}  // namespace berth::control
