// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/decide.hpp"

#include <gtest/gtest.h>

#include "core/control/services/breaker.hpp"
#include "core/model/instant.hpp"

namespace berth::control {
namespace {

// ---- Percentages and thresholds

TEST(Percent, RoundsTheLowerBoundUpAndTheUpperOneDown) {
  const auto of = [](int desired, int minimum, int maximum) {
    const Bounds bounds = bounds_of(desired, {minimum, maximum});
    return std::pair(bounds.lower, bounds.upper);
  };
  EXPECT_EQ(of(4, 50, 200), std::pair(2, 8));
  EXPECT_EQ(of(2, 75, 200), std::pair(2, 4)) << "none of two may stop";
  EXPECT_EQ(of(3, 100, 125), std::pair(3, 3)) << "none may start beside three";
  EXPECT_EQ(of(1, 100, 200), std::pair(1, 2));
  EXPECT_EQ(of(10, 0, 100), std::pair(0, 10));
  EXPECT_EQ(of(0, 100, 200), std::pair(0, 0));
  EXPECT_EQ(of(4, 150, 200), std::pair(4, 8)) << "no service has more healthy tasks than it wants";
  EXPECT_EQ(of(2'000'000'000, 100, 200).second, 2'147'483'647) << "no overflow";
}

TEST(Percent, BoundsGrowWithEachOfTheirParts) {
  SeededRng rng(3);
  for (int i = 0; i < 20'000; ++i) {
    const int desired = static_cast<int>(rng.next() % 500);
    const int minimum = static_cast<int>(rng.next() % 101);
    const int maximum = 100 + static_cast<int>(rng.next() % 200);
    const Bounds bounds = bounds_of(desired, {minimum, maximum});
    ASSERT_GE(bounds.lower * 100, desired * minimum);
    ASSERT_LT((bounds.lower - 1) * 100, desired * minimum + (desired == 0 ? 1 : 0));
    ASSERT_LE(bounds.upper * 100, desired * maximum);
    ASSERT_GT((bounds.upper + 1) * 100, desired * maximum);
    const Bounds more = bounds_of(desired + 1, {minimum, maximum});
    ASSERT_GE(more.lower, bounds.lower);
    ASSERT_GE(more.upper, bounds.upper);
  }
}

TEST(Breaker, ThresholdIsHalfTheDesiredCountBetweenThreeAndTwoHundred) {
  model::DeploymentCircuitBreaker breaker;
  EXPECT_EQ(breaker_threshold(breaker, 1), 3);
  EXPECT_EQ(breaker_threshold(breaker, 25), 13);
  EXPECT_EQ(breaker_threshold(breaker, 400), 200);
  EXPECT_EQ(breaker_threshold(breaker, 800), 200);
}

TEST(Breaker, ThresholdConfigurationReplacesTheRule) {
  model::DeploymentCircuitBreaker breaker;
  auto& threshold = *breaker.mutable_threshold_configuration();
  threshold.set_type("COUNT");
  threshold.set_value(7);
  EXPECT_EQ(breaker_threshold(breaker, 800), 7);
  threshold.set_type("UNBOUNDED_PERCENT");
  threshold.set_value(10);
  EXPECT_EQ(breaker_threshold(breaker, 8000), 800);
  EXPECT_EQ(breaker_threshold(breaker, 1), 1);
  threshold.set_type("BOUNDED_PERCENT");
  EXPECT_EQ(breaker_threshold(breaker, 8000), 200);
  EXPECT_EQ(breaker_threshold(breaker, 10), 3);
}

TEST(Breaker, CountsEarlyExitsUnlessTheKeyTurnsThemOff) {
  const BreakerRules ours{true};
  const BreakerRules ecs{false};
  EXPECT_TRUE(counts_as_failure(TaskEnd::EarlyExit, true, ours));
  EXPECT_FALSE(counts_as_failure(TaskEnd::EarlyExit, true, ecs));
  EXPECT_TRUE(counts_as_failure(TaskEnd::FailedStart, false, ecs));
  EXPECT_FALSE(counts_as_failure(TaskEnd::FailedStart, true, ecs)) << "one has run";
  EXPECT_TRUE(counts_as_failure(TaskEnd::FailedHealth, true, ecs));
  EXPECT_FALSE(counts_as_failure(TaskEnd::Exit, false, ours));
  EXPECT_FALSE(counts_as_failure(TaskEnd::Wanted, false, ours));
}

TEST(Breaker, WaitsGrowToAQuarterOfAnHour) {
  EXPECT_EQ(restart_wait(0), milliseconds(0));
  EXPECT_EQ(restart_wait(1), std::chrono::seconds(1));
  EXPECT_EQ(restart_wait(4), std::chrono::seconds(8));
  EXPECT_EQ(restart_wait(11), std::chrono::minutes(15));
  EXPECT_EQ(restart_wait(1'000'000), std::chrono::minutes(15));
}

// ---- REPLICA: examples

ReplicaPicture picture(int desired, Percentages percentages = {}) {
  ReplicaPicture picture;
  picture.desired = desired;
  picture.bounds = bounds_of(desired, percentages);
  return picture;
}

TEST(Replica, StartsWhatIsMissing) {
  ReplicaPicture service = picture(5);
  service.primary.staying = {.pending = 1, .starting = 0, .healthy = 2};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 2);
  EXPECT_EQ(decision.stops(), 0);
}

TEST(Replica, StartsTheNewBesideTheOldAndStopsNoneBelowTheLowerBound) {
  ReplicaPicture service = picture(4, {50, 200});
  service.old = {Team{.staying = {.healthy = 4}}};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 4);
  EXPECT_EQ(decision.old[0].staying.healthy, 2) << "two of four must stay";
}

TEST(Replica, KeepsOldTasksUntilTheirReplacementsAreHealthy) {
  ReplicaPicture service = picture(2, {100, 200});
  service.primary.staying = {.starting = 2};
  service.old = {Team{.staying = {.healthy = 2}}};
  EXPECT_EQ(decide(service).stops(), 0);
  service.primary.staying = {.starting = 1, .healthy = 1};
  EXPECT_EQ(decide(service).old[0].staying.healthy, 1);
}

TEST(Replica, CanNeitherStartNorStopAtAHundredPercentOfBoth) {
  ReplicaPicture service = picture(3, {100, 100});
  service.old = {Team{.staying = {.healthy = 3}}};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 0);
  EXPECT_EQ(decision.stops(), 0);
  EXPECT_TRUE(decision.stuck);
}

TEST(Replica, StopsOldPendingAndUnhealthyTasksAtOnceAndTheOldestDeploymentsFirst) {
  ReplicaPicture service = picture(4, {50, 200});
  service.primary.staying = {.pending = 4};
  service.old = {Team{.staying = {.pending = 1, .healthy = 1, .unhealthy = 2}},
                 Team{.staying = {.healthy = 2}}};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.old[0].staying, (Tally{.pending = 1, .healthy = 1, .unhealthy = 2}));
  EXPECT_EQ(decision.old[1].staying.healthy, 0);
}

TEST(Replica, ScalesInWhatServesLeastFirst) {
  ReplicaPicture service = picture(2);
  service.primary.staying = {.pending = 1, .starting = 1, .healthy = 3};
  EXPECT_EQ(decide(service).primary.staying, (Tally{.pending = 1, .starting = 1, .healthy = 1}));
}

TEST(Replica, LeavesProtectedTasksAloneAndSaysSo) {
  ReplicaPicture service = picture(1);
  service.primary.staying = {.healthy = 4};
  service.primary.protected_tasks = {.healthy = 3};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.primary.staying.healthy, 1);
  EXPECT_TRUE(decision.blocked_by_protection);
  service.deleting = true;
  service.desired = 0;
  service.bounds = {};
  EXPECT_EQ(decide(service).primary.staying.healthy, 4) << "protection ends with the service";
}

TEST(Replica, HandsTasksOnDrainingInstancesOverWithinTheBounds) {
  ReplicaPicture service = picture(3, {100, 200});
  service.primary.staying = {.healthy = 1};
  service.primary.draining = {.pending = 1, .healthy = 2};
  ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 2);
  EXPECT_EQ(decision.primary.draining, (Tally{.pending = 1})) << "what serves stays for now";
  service.primary.staying = {.healthy = 3};
  service.primary.draining = {.healthy = 2};
  decision = decide(service);
  EXPECT_EQ(decision.start, 0);
  EXPECT_EQ(decision.primary.draining.healthy, 2);
}

TEST(Replica, ReplacesUnhealthyTasksStartFirstWhereThereIsRoom) {
  ReplicaPicture service = picture(3, {100, 200});
  service.primary.staying = {.healthy = 2, .unhealthy = 1};
  ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 1);
  EXPECT_EQ(decision.primary.staying.unhealthy, 0);
  service.primary.staying = {.healthy = 3, .unhealthy = 1};
  EXPECT_EQ(decide(service).primary.staying.unhealthy, 1);

  ReplicaPicture tight = picture(3, {50, 100});
  tight.primary.staying = {.healthy = 2, .unhealthy = 1};
  decision = decide(tight);
  EXPECT_EQ(decision.start, 0);
  EXPECT_EQ(decision.primary.staying.unhealthy, 1) << "it makes room";
}

TEST(Replica, AFailedDeploymentStartsNothingAndStopsOnlyWhatIsOverTheUpperBound) {
  ReplicaPicture service = picture(3, {100, 200});
  service.failed = true;
  service.primary.staying = {.pending = 1, .starting = 1};
  service.old = {Team{.staying = {.healthy = 3}}};
  EXPECT_EQ(decide(service).start, 0);
  EXPECT_EQ(decide(service).stops(), 0);
  service.desired = 0;
  service.bounds = {};
  EXPECT_EQ(decide(service).stops(), 5);
}

// Found by tests/sim: what leaves its draining instance was counted as one that stays.
TEST(Replica, AFailedDeploymentKeepsWhatItHasWhileADrainingOneLeaves) {
  ReplicaPicture service = picture(1, {0, 100});
  service.failed = true;
  service.primary.staying.pending = 2;
  service.old.push_back({.draining = {.starting = 1}});
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.old[0].draining.starting, 1);
  EXPECT_EQ(decision.primary.staying.pending, 1);
}

TEST(Replica, TheThrottleHoldsStartsBackAndNothingElse) {
  ReplicaPicture service = picture(3, {50, 200});
  service.may_start = false;
  service.old = {Team{.staying = {.pending = 1, .healthy = 2}}};
  const ReplicaDecision decision = decide(service);
  EXPECT_EQ(decision.start, 0);
  EXPECT_EQ(decision.old[0].staying.pending, 1);
}

// ---- REPLICA: what holds whatever the picture

class World {
 public:
  explicit World(std::uint64_t seed) : rng_(seed) {}

  int pick(int n) { return static_cast<int>(rng_.next() % static_cast<std::uint64_t>(n)); }
  Tally tally(int most) {
    return {.pending = pick(most),
            .starting = pick(most),
            .healthy = pick(most),
            .unhealthy = pick(most)};
  }
  Team team() {
    Team team;
    team.staying = tally(6);
    if (pick(3) == 0) team.draining = tally(4);
    if (pick(3) == 0) {
      const auto some = [&](int n) { return n == 0 ? 0 : pick(n + 1); };
      team.protected_tasks = {some(team.staying.pending), some(team.staying.starting),
                              some(team.staying.healthy), some(team.staying.unhealthy)};
    }
    team.stopping = pick(3);
    return team;
  }
  ReplicaPicture service() {
    const Percentages percentages{pick(5) * 25, 100 + pick(5) * 25};
    ReplicaPicture service = picture(pick(12), percentages);
    service.primary = team();
    for (int i = pick(3); i > 0; --i) service.old.push_back(team());
    service.may_start = pick(4) > 0;
    service.failed = pick(6) == 0;
    return service;
  }

 private:
  SeededRng rng_;
};

int healthy(const ReplicaPicture& service) {
  int all = service.primary.staying.healthy + service.primary.draining.healthy;
  for (const Team& team : service.old) all += team.staying.healthy + team.draining.healthy;
  return all;
}
int total(const ReplicaPicture& service) {
  int all = service.primary.staying.total() + service.primary.draining.total();
  for (const Team& team : service.old) all += team.staying.total() + team.draining.total();
  return all;
}
int healthy_stops(const ReplicaDecision& decision) {
  int all = decision.primary.staying.healthy + decision.primary.draining.healthy;
  for (const Stops& one : decision.old) all += one.staying.healthy + one.draining.healthy;
  return all;
}

void expect_within(const Tally& stops, const Tally& there, const Tally& guarded) {
  ASSERT_TRUE(stops.pending >= 0 && stops.starting >= 0 && stops.healthy >= 0 &&
              stops.unhealthy >= 0);
  ASSERT_LE(stops.pending, there.pending - guarded.pending);
  ASSERT_LE(stops.starting, there.starting - guarded.starting);
  ASSERT_LE(stops.healthy, there.healthy - guarded.healthy);
  ASSERT_LE(stops.unhealthy, there.unhealthy);  // protection does not cover failed health
}

// What the decision does to the picture at once.
void apply(const ReplicaDecision& decision, ReplicaPicture& service) {
  const auto take = [](Team& team, const Stops& stops) {
    const auto minus = [](Tally& from, const Tally& what) {
      from.pending -= what.pending;
      from.starting -= what.starting;
      from.healthy -= what.healthy;
      from.unhealthy -= what.unhealthy;
    };
    minus(team.staying, stops.staying);
    minus(team.draining, stops.draining);
    team.stopping += stops.total();
    team.protected_tasks.unhealthy =
        std::min(team.protected_tasks.unhealthy, team.staying.unhealthy);
  };
  take(service.primary, decision.primary);
  for (std::size_t i = 0; i < service.old.size(); ++i) take(service.old[i], decision.old[i]);
  service.primary.staying.pending += decision.start;
}

TEST(Replica, NeverLeavesItsBoundsAndNeverStopsWhatIsProtected) {
  World world(11);
  for (int i = 0; i < 200'000; ++i) {
    const ReplicaPicture service = world.service();
    const ReplicaDecision decision = decide(service);
    ASSERT_GE(decision.start, 0);
    if (decision.start > 0) {
      ASSERT_LE(total(service) + decision.start, service.bounds.upper);
    }
    if (decision.start > 0) {
      ASSERT_TRUE(service.may_start && !service.failed);
    }
    const int stops = healthy_stops(decision);
    if (stops > 0) {
      ASSERT_GE(healthy(service) - stops, service.bounds.lower);
    }
    expect_within(decision.primary.staying, service.primary.staying,
                  service.primary.protected_tasks);
    expect_within(decision.primary.draining, service.primary.draining, {});
    for (std::size_t j = 0; j < service.old.size(); ++j) {
      expect_within(decision.old[j].staying, service.old[j].staying,
                    service.old[j].protected_tasks);
      expect_within(decision.old[j].draining, service.old[j].draining, {});
    }
  }
}

TEST(Replica, DecidesAllThatCanBeDecidedAtOnce) {
  World world(12);
  for (int i = 0; i < 50'000; ++i) {
    ReplicaPicture service = world.service();
    // Stopping makes room under the upper bound: after a few rounds nothing more follows.
    int rounds = 0;
    for (; rounds < 8; ++rounds) {
      const ReplicaDecision decision = decide(service);
      if (decision.start == 0 && decision.stops() == 0) break;
      apply(decision, service);
    }
    ASSERT_LT(rounds, 8);
  }
}

// Time passes: what is stopping ends, what was started becomes healthy.
void mature(ReplicaPicture& service, World& world) {
  const auto grow = [&](Tally& tally) {
    const int ready = world.pick(tally.starting + 1);
    tally.starting -= ready;
    tally.healthy += ready;
    const int up = world.pick(tally.pending + 1);
    tally.pending -= up;
    tally.starting += up;
  };
  grow(service.primary.staying);
  service.primary.stopping = 0;
  for (Team& team : service.old) {
    grow(team.staying);
    team.stopping = 0;
  }
}

TEST(Replica, GetsThereWhereverThePercentagesLeaveRoom) {
  World world(13);
  for (int i = 0; i < 3'000; ++i) {
    ReplicaPicture service = world.service();
    service.may_start = true;
    service.failed = false;
    service.primary.protected_tasks = {};
    for (Team& team : service.old) team.protected_tasks = {};
    if (service.bounds.lower >= service.desired && service.bounds.upper <= service.desired)
      continue;
    int rounds = 0;
    for (; rounds < 400; ++rounds) {
      const ReplicaDecision decision = decide(service);
      ASSERT_FALSE(decision.stuck);
      apply(decision, service);
      mature(service, world);
      if (total(service) == service.desired && service.primary.staying.healthy == service.desired)
        break;
    }
    ASSERT_LT(rounds, 400) << "desired " << service.desired << " total " << total(service);
  }
}

// ---- DAEMON

TEST(Daemon, StartsOnVacantInstancesAndStopsWhereNoneIsToBe) {
  const DaemonDecision decision = decide(DaemonPicture{.eligible = 3, .vacant = 2, .surplus = 1});
  EXPECT_EQ(decision.start, 2);
  EXPECT_EQ(decision.stop_surplus, 1);
}

TEST(Daemon, StopsTheOldOneFirstWithinTheLowerBound) {
  DaemonPicture service{
      .eligible = 4, .percentages = {50, 100}, .healthy = 4, .outdated_healthy = 4};
  EXPECT_EQ(decide(service).stop_outdated_healthy, 2);
  service.percentages = {0, 100};
  EXPECT_EQ(decide(service).stop_outdated_healthy, 4);
  service.percentages = {100, 100};
  EXPECT_EQ(decide(service).stop_outdated_healthy, 0);
  service.failed = true;
  service.percentages = {0, 100};
  EXPECT_EQ(decide(service).stop_outdated_healthy, 0);
}

}  // namespace
}  // namespace berth::control
