// SPDX-License-Identifier: Apache-2.0
#include "core/placement/devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace berth::placement {
namespace {

using ::testing::ElementsAre;

Device gpu(std::string id, std::string model = "a") {
  return {.id = std::move(id),
          .type = "GPU",
          .model = std::move(model),
          .memory_mib = 1000,
          .share_milli = 1000};
}
DeviceNeed whole(std::int64_t count, std::string model = "") {
  return {.type = "GPU", .count = count, .model = std::move(model)};
}
DeviceNeed part(std::int64_t share) {
  return {.type = "GPU", .share_milli = share};
}

std::vector<std::string> ids(const std::optional<std::vector<DeviceGrant>>& grants) {
  if (!grants) return {"none"};
  std::vector<std::string> out;
  for (const DeviceGrant& grant : *grants) out.push_back(grant.device_id);
  return out;
}
void take(DeviceBook& book, const std::vector<DeviceNeed>& needs) {
  const auto grants = book.choose(needs);
  for (const DeviceGrant& grant : grants.value()) book.take(grant);
}

TEST(DeviceBook, TriesOnWhenTheFirstChoiceLeavesAnotherNeedUnmet) {
  const DeviceBook book({gpu("g0", "b"), gpu("g1", "a")});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1), whole(1, "b")})), ElementsAre("g1", "g0"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(1), whole(1, "b"), whole(1)})),
              ElementsAre("none"));
}

TEST(DeviceBook, TakesPartsFromTheTightestDeviceAndKeepsWholeOnesWhole) {
  DeviceBook book({gpu("g0"), gpu("g1"), gpu("g2")});
  take(book, {part(300)});
  EXPECT_THAT(ids(book.choose(std::vector{part(700)})), ElementsAre("g0"));
  EXPECT_THAT(ids(book.choose(std::vector{part(701)})), ElementsAre("g1"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(2)})), ElementsAre("g1", "g2"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(3)})), ElementsAre("none"));
}

TEST(DeviceBook, PacksSeveralPartsWhereGreedLeadsNowhere) {
  DeviceBook book({gpu("g0"), gpu("g1")});
  take(book, {part(400), part(500)});  // both on g0: 100 left
  // Tightest first puts 100 on g0; then 1000 needs g1 whole.
  EXPECT_THAT(ids(book.choose(std::vector{part(100), part(1000)})), ElementsAre("g0", "g1"));
  EXPECT_THAT(ids(book.choose(std::vector{part(600), part(500)})), ElementsAre("none"));
}

TEST(DeviceBook, GivesEitherADeviceOrItsPartitions) {
  Device half = gpu("g0-half");
  half.parent = "g0";
  Device other = gpu("g0-rest");
  other.parent = "g0";
  DeviceBook book({gpu("g0"), half, other});
  EXPECT_THAT(ids(book.choose(std::vector{whole(2)})), ElementsAre("g0-half", "g0-rest"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(3)})), ElementsAre("none"));
  book.take({.device_id = "g0-half"});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1)})), ElementsAre("g0-rest"));
  book.give_back({.device_id = "g0-half"});
  book.take({.device_id = "g0", .share_milli = 10, .whole = false});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1)})), ElementsAre("none"));
}

TEST(DeviceBook, EndsItsSearchOnContrivedMixes) {
  std::vector<Device> devices;
  for (int i = 0; i < 16; ++i) {
    devices.push_back(gpu("g" + std::to_string(i)));
    devices.back().share_milli = 1000 + i;
  }
  const DeviceBook book(devices);
  const std::vector<DeviceNeed> needs(17, part(600));  // one more than there are devices
  EXPECT_THAT(ids(book.choose(needs)), ElementsAre("none"));
}

TEST(DeviceBook, FindsManyAlikeAtOnce) {
  std::vector<Device> devices;
  for (int i = 0; i < 256; ++i) devices.push_back(gpu("g" + std::to_string(i)));
  const DeviceBook book(devices);
  EXPECT_EQ(book.choose(std::vector{whole(200), whole(56)})->size(), 256U);
}

Device placed(std::string id, std::string numa, std::string link = "") {
  Device out = gpu(std::move(id));
  out.numa = std::move(numa);
  out.link = std::move(link);
  return out;
}

TEST(DeviceBook, GivesDevicesOfOneNumaNodeTogether) {
  DeviceBook book({placed("g0", "0"), placed("g1", "1"), placed("g2", "0"), placed("g3", "1")});
  take(book, {whole(1)});  // g0
  EXPECT_THAT(ids(book.choose(std::vector{whole(2)})), ElementsAre("g1", "g3"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(3)})), ElementsAre("g1", "g2", "g3"))
      << "where no node holds all, from the one with the most";
}

TEST(DeviceBook, TakesASingleDeviceFromTheGroupWithTheFewestLeft) {
  DeviceBook book({placed("g0", "0"), placed("g1", "0"), placed("g2", "0"), placed("g3", "1"),
                   placed("g4", "1")});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1)})), ElementsAre("g3"));
  take(book, {whole(1)});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1)})), ElementsAre("g4"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(3)})), ElementsAre("g0", "g1", "g2"));
}

TEST(DeviceBook, PrefersLinkedDevicesWithinANumaNode) {
  const DeviceBook book({placed("g0", "0"), placed("g1", "0", "a"), placed("g2", "0", "b"),
                         placed("g3", "0", "a"), placed("g4", "0", "b")});
  EXPECT_THAT(ids(book.choose(std::vector{whole(2)})), ElementsAre("g1", "g3"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(1)})), ElementsAre("g0")) << "linked with none";
}

TEST(DeviceBook, PrefersALinkAcrossNumaNodesToNone) {
  const DeviceBook book(
      {placed("g0", "0"), placed("g1", "1", "a"), placed("g2", "2", "a"), placed("g3", "3")});
  EXPECT_THAT(ids(book.choose(std::vector{whole(2)})), ElementsAre("g1", "g2"));
}

TEST(DeviceBook, KeepsTheContainersOfOneTaskTogether) {
  DeviceBook book({placed("g0", "0"), placed("g1", "1"), placed("g2", "1"), placed("g3", "2"),
                   placed("g4", "2"), placed("g5", "2")});
  EXPECT_THAT(ids(book.choose(std::vector{whole(1), whole(1)})), ElementsAre("g1", "g2"));
  EXPECT_THAT(ids(book.choose(std::vector{whole(2), whole(1)})), ElementsAre("g3", "g4", "g5"));
}

TEST(DeviceBook, FindsAnAssignmentAlsoWhereTheCloseOneLeadsNowhere) {
  Device other = placed("g2", "1", "");
  other.model = "b";
  const DeviceBook book({placed("g0", "0"), placed("g1", "1"), other});
  // Node 1 would hold both, but the second need takes the only device of its model.
  EXPECT_THAT(ids(book.choose(std::vector{whole(2), whole(1, "b")})),
              ElementsAre("g0", "g1", "g2"));
}

}  // namespace
}  // namespace berth::placement
