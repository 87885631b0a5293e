// SPDX-License-Identifier: Apache-2.0
// The defects that are planted in the rules of the service scheduler, and the names of all.
#include "tests/sim/simulation.hpp"

namespace berth::sim {

// Each with one mistake that somebody might make.
control::ServiceRules rules_with(Defect defect) {
  using namespace control;
  ServiceRules rules;
  if (defect == Defect::WrongPercent) {
    rules.bounds = [](int desired, Percentages percentages) {
      return Bounds{desired * percentages.minimum_healthy / 100,
                    bounds_of(desired, percentages).upper};
    };
  }
  if (defect == Defect::WrongMaximum) {
    rules.bounds = [](int desired, Percentages percentages) {
      const Bounds right = bounds_of(desired, percentages);
      return Bounds{right.lower, right.upper + 1};
    };
  }
  if (defect == Defect::GreedyScaleIn) {
    rules.replica = [](const ReplicaPicture& picture) {
      ReplicaDecision decision = decide(picture);
      int& healthy = decision.primary.staying.healthy;
      if (healthy > 0 && healthy < picture.primary.staying.healthy) ++healthy;
      return decision;
    };
  }
  if (defect == Defect::SleepyBreaker) {
    rules.threshold = [](const model::DeploymentCircuitBreaker&, int) { return 1'000'000; };
  }
  if (defect == Defect::HastyBreaker) {
    rules.threshold = [](const model::DeploymentCircuitBreaker&, int) { return 1; };
  }
  if (defect == Defect::ManyResolvers) rules.resolution_wait = {};
  if (defect == Defect::DrainIgnored) {
    rules.replica = [](const ReplicaPicture& picture) {
      ReplicaPicture wrong = picture;
      control::Tally& staying = wrong.primary.staying;
      staying.pending += wrong.primary.draining.pending;
      staying.starting += wrong.primary.draining.starting;
      staying.healthy += wrong.primary.draining.healthy;
      wrong.primary.draining = {};
      return decide(wrong);
    };
  }
  if (defect == Defect::ForgottenPost) {
    rules.daemon = [](const DaemonPicture& picture) {
      DaemonDecision decision = decide(picture);
      if (decision.start == 1) decision.start = 0;
      return decision;
    };
  }
  if (defect == Defect::RestlessZones) {
    rules.rebalance = [](const ZonePicture& picture) {
      Rebalancing decision = rebalance(picture);
      for (const ZoneTasks& zone : picture.zones) {
        if (decision.start > 0 && zone.movable > 0) decision.zone = zone.zone;
      }
      return decision;
    };
  }
  if (defect == Defect::ForgottenZones) {
    rules.rebalance = [](const ZonePicture&) { return Rebalancing{}; };
  }
  return rules;
}

const char* to_string(Defect defect) {
  switch (defect) {
    case Defect::None:
      return "none";
    case Defect::EarlyAcknowledgement:
      return "early acknowledgement";
    case Defect::LostTokens:
      return "lost tokens";
    case Defect::LostEnds:
      return "lost ends";
    case Defect::TimeoutMeansNo:
      return "timeout means no";
    case Defect::SecondStarts:
      return "second starts";
    case Defect::StopsUnsent:
      return "stops unsent";
    case Defect::DoubledCapacity:
      return "doubled capacity";
    case Defect::StaleReports:
      return "stale reports";
    case Defect::LostTrail:
      return "lost trail";
    case Defect::WrongPercent:
      return "wrong percent";
    case Defect::WrongMaximum:
      return "wrong maximum";
    case Defect::GreedyScaleIn:
      return "greedy scale-in";
    case Defect::SleepyBreaker:
      return "sleepy breaker";
    case Defect::HastyBreaker:
      return "hasty breaker";
    case Defect::DrainIgnored:
      return "drain ignored";
    case Defect::ForgottenPost:
      return "forgotten post";
    case Defect::LostProtection:
      return "lost protection";
    case Defect::LostPins:
      return "lost pins";
    case Defect::ManyResolvers:
      return "many resolvers";
    case Defect::RestlessZones:
      return "restless zones";
    case Defect::ForgottenZones:
      return "forgotten zones";
  }
  return "?";
}

}  // namespace berth::sim
