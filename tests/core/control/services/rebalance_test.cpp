// SPDX-License-Identifier: Apache-2.0
#include "core/control/services/rebalance.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/model/instant.hpp"

namespace berth::control {
namespace {

ZonePicture picture(std::vector<int> tasks, int room = 100) {
  ZonePicture picture;
  picture.settled = true;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    picture.zones.push_back({std::string(1, static_cast<char>('a' + i)), tasks[i], tasks[i], true});
    picture.total += tasks[i];
  }
  picture.upper = picture.total + room;
  return picture;
}

TEST(Rebalance, StartsHalfTheDifferenceInTheEmptiestZone) {
  const Rebalancing decision = rebalance(picture({5, 3, 1}));
  EXPECT_EQ(decision.start, 2);
  EXPECT_EQ(decision.zone, "c");
  EXPECT_FALSE(decision.balanced);
}

TEST(Rebalance, ADifferenceOfOneIsEven) {
  const Rebalancing decision = rebalance(picture({2, 1, 2}));
  EXPECT_EQ(decision.start, 0);
  EXPECT_TRUE(decision.balanced);
}

TEST(Rebalance, WaitsWhileAnythingElseIsUnderWay) {
  ZonePicture zones = picture({4, 0});
  zones.settled = false;
  EXPECT_EQ(rebalance(zones).start, 0);
}

TEST(Rebalance, KeepsTheUpperBound) {
  EXPECT_EQ(rebalance(picture({6, 0}, 1)).start, 1);
  EXPECT_EQ(rebalance(picture({6, 0}, 0)).start, 0);
}

TEST(Rebalance, MovesNoProtectedTask) {
  ZonePicture zones = picture({6, 3, 0});
  zones.zones[0].movable = 0;
  const Rebalancing decision = rebalance(zones);
  EXPECT_EQ(decision.start, 1) << "one of the second zone's";
  zones.zones[1].movable = 0;
  EXPECT_EQ(rebalance(zones).start, 0);
}

TEST(Rebalance, AFullZoneIsPassedOver) {
  ZonePicture zones = picture({6, 1, 0});
  zones.zones[2].open = false;
  const Rebalancing decision = rebalance(zones);
  EXPECT_EQ(decision.zone, "b");
  EXPECT_EQ(decision.start, 2);
}

// Each move done (one more there, one fewer in the fullest zone) leaves the zones more even, so
// that there is an end.
TEST(Rebalance, ComesToAnEndWhateverTheZones) {
  SeededRng rng(11);
  const auto pick = [&](int n) {
    return static_cast<int>(rng.next() % static_cast<std::uint64_t>(n));
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<int> tasks(static_cast<std::size_t>(1 + pick(5)));
    for (int& count : tasks) count = pick(30);
    ZonePicture zones = picture(tasks, pick(4));
    int moves = 0;
    for (Rebalancing next = rebalance(zones); next.start > 0; next = rebalance(zones)) {
      ASSERT_LE(zones.total + next.start, zones.upper);
      for (int i = 0; i < next.start; ++i) {
        const auto most = std::max_element(
            zones.zones.begin(), zones.zones.end(),
            [](const ZoneTasks& a, const ZoneTasks& b) { return a.tasks < b.tasks; });
        --most->tasks;
        --most->movable;
        const auto to = std::find_if(zones.zones.begin(), zones.zones.end(),
                                     [&](const ZoneTasks& zone) { return zone.zone == next.zone; });
        ++to->tasks;
        ++to->movable;
      }
      ASSERT_LT(++moves, 200);
    }
    EXPECT_TRUE(zones.upper == zones.total || rebalance(zones).balanced);
  }
}

}  // namespace
}  // namespace berth::control
