// SPDX-License-Identifier: Apache-2.0
#include "core/placement/fragmentation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace berth::placement {
namespace {

// What the definition says, in doubles and without any short cut.
class Plain {
 public:
  Plain(std::vector<TargetClass> classes, int levels)
      : classes_(std::move(classes)), levels_(levels) {
    for (const TargetClass& one : classes_) total_ += static_cast<double>(one.weight);
  }

  [[nodiscard]] double fragments(double cpu, const std::vector<DeviceFree>& devices) const {
    double sum = 0;
    for (const TargetClass& one : classes_) {
      double all = 0;
      double useless = 0;
      int serving = 0;
      for (const DeviceFree& device : devices) {
        all += device.share_milli;
        const bool accepted = ((one.ask.models >> device.model) & 1) == 1;
        if (accepted && device.share_milli >= one.ask.share_milli) {
          ++serving;
        } else {
          useless += device.share_milli;
        }
      }
      const bool none = one.ask.devices == 0 || cpu < static_cast<double>(one.ask.cpu) ||
                        serving < one.ask.devices;
      sum += static_cast<double>(one.weight) * (none ? all : useless);
    }
    return sum;
  }

  [[nodiscard]] int score(double delta) const {
    return static_cast<int>(levels_ / (1 + std::exp(delta / 1000 / total_)));
  }

  [[nodiscard]] std::optional<DeviceChoice> choose(const NodeFree& node,
                                                   const DeviceAsk& ask) const {
    const std::vector<DeviceFree> devices(node.devices.begin(), node.devices.end());
    if (node.cpu < ask.cpu) return std::nullopt;
    const auto cpu = static_cast<double>(node.cpu);
    const double before = fragments(cpu, devices);
    const double cpu_after = cpu - static_cast<double>(ask.cpu);
    if (ask.devices == 0) return DeviceChoice{score(fragments(cpu_after, devices) - before)};
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].share_milli >= ask.share_milli && (ask.models >> devices[i].model) % 2 == 1) {
        fitting.push_back(i);
      }
    }
    if (fitting.size() < static_cast<std::size_t>(ask.devices)) return std::nullopt;
    const std::size_t tries = ask.share_milli == 1000 ? 1 : fitting.size();
    DeviceChoice best{-1};
    for (std::size_t i = 0; i < tries; ++i) {
      std::vector<DeviceFree> after = devices;
      for (std::int32_t k = 0; k < ask.devices; ++k) {
        after[fitting[i + static_cast<std::size_t>(k)]].share_milli -= ask.share_milli;
      }
      const int reached = score(fragments(cpu_after, after) - before);
      if (reached > best.score) best = {reached, fitting[i]};
    }
    return best;
  }

 private:
  std::vector<TargetClass> classes_;
  int levels_;
  double total_ = 0;
};

TargetClass expect(std::int32_t devices, std::int32_t share, std::int64_t weight,
                   std::int64_t cpu = 0, ModelSet models = kAnyModel) {
  return {{.cpu = cpu, .devices = devices, .share_milli = share, .models = models}, weight};
}

DeviceAsk draw_ask() {
  DeviceAsk ask{.cpu = *rc::gen::inRange(0, 6)};
  ask.devices = *rc::gen::element(0, 1, 1, 1, 2, 4);
  if (ask.devices == 1) ask.share_milli = *rc::gen::element(1, 100, 250, 300, 500, 999, 1000);
  if (ask.devices > 1) ask.share_milli = 1000;
  ask.models = *rc::gen::elementOf(std::vector<ModelSet>{kAnyModel, kAnyModel, 1, 2, 3});
  return ask;
}

std::vector<DeviceFree> draw_devices() {
  const auto one = rc::gen::map(
      rc::gen::pair(rc::gen::element(0, 1, 100, 250, 499, 500, 700, 999, 1000, 1000, 1000),
                    rc::gen::element(0U, 0U, 1U)),
      [](const auto& drawn) {
        return DeviceFree{drawn.first, drawn.second};
      });
  const auto count = static_cast<std::size_t>(*rc::gen::element(0, 1, 2, 4, 8, 19));
  return *rc::gen::container<std::vector<DeviceFree>>(count, one);
}

RC_GTEST_PROP(Fragmentation, ChoosesWhatThePlainDefinitionChooses, ()) {
  std::vector<TargetClass> classes;
  const int count = *rc::gen::inRange(1, 12);
  for (int i = 0; i < count; ++i) classes.push_back({draw_ask(), *rc::gen::inRange(1, 50)});
  const int levels = *rc::gen::element(2, 5, 16, 100, 150, 1000);
  const Plain plain(classes, levels);
  const auto exact = Fragmentation::make(classes, levels);
  RC_ASSERT(exact.has_value());
  RC_ASSERT(exact->levels() == levels);
  for (int i = 0; i < 8; ++i) {
    const std::vector<DeviceFree> devices = draw_devices();
    const NodeFree node{.cpu = *rc::gen::inRange(0, 9), .devices = devices};
    const DeviceAsk ask = draw_ask();
    RC_ASSERT(static_cast<double>(exact->of(node)) ==
              plain.fragments(static_cast<double>(node.cpu), devices));
    RC_ASSERT(exact->choose(node, ask) == plain.choose(node, ask));
  }
}

RC_GTEST_PROP(Fragmentation, ReachesTheLevelThatTheExponentialGives, ()) {
  const int levels = *rc::gen::inRange(2, 2000);
  const std::int64_t weight =
      *rc::gen::elementOf(std::vector<std::int64_t>{1, 7, 8152, Fragmentation::kMaxWeight});
  const auto exact = Fragmentation::make({expect(1, 1000, weight)}, levels);
  RC_ASSERT(exact.has_value());
  for (int i = 0; i < 30; ++i) {
    const auto delta =
        *rc::gen::inRange<std::int64_t>(-9, 10) * exact->unit() / *rc::gen::inRange(1, 5000);
    const double real =
        levels / (1 + std::exp(static_cast<double>(delta) / static_cast<double>(exact->unit())));
    RC_ASSERT(exact->level(delta) == static_cast<int>(real));
  }
}

TEST(Fragmentation, OfANodeIsWhatEachExpectedClassCannotUse) {
  const auto exact = Fragmentation::make(
      {expect(0, 0, 1), expect(1, 500, 10), expect(2, 1000, 100), expect(1, 100, 1000, 9)});
  const std::vector<DeviceFree> devices = {{300, 0}, {500, 0}, {1000, 0}, {1000, 0}};
  // 2800 for the class without devices; 300 for parts of 500; 800 for two whole ones; and all for
  // the class that needs more cpu than there is.
  EXPECT_EQ(exact->of({.cpu = 8, .devices = devices}), 2800 + 10 * 300 + 100 * 800 + 1000 * 2800);
  EXPECT_EQ(exact->of({.cpu = 9, .devices = devices}), 2800 + 10 * 300 + 100 * 800);
}

TEST(Fragmentation, CountsDevicesOfModelsThatAreNotAcceptedAsFragments) {
  const auto exact = Fragmentation::make({expect(1, 1000, 1, 0, 0b10)});
  const std::vector<DeviceFree> mixed = {{1000, 0}, {1000, 1}};
  EXPECT_EQ(exact->of({.devices = mixed}), 1000);
  EXPECT_EQ(exact->of({.devices = std::span(mixed).first(1)}), 1000);
  EXPECT_EQ(exact->of({.devices = std::span(mixed).last(1)}), 0);
}

TEST(Fragmentation, TakesAPartWhereItWastesLeastAndTheFirstOfEqualDevices) {
  const auto exact = Fragmentation::make({expect(1, 500, 1), expect(1, 1000, 1)});
  const std::vector<DeviceFree> devices = {{1000, 0}, {700, 0}, {500, 0}, {500, 0}};
  const DeviceAsk half{.devices = 1, .share_milli = 500};
  // From a whole device 500 are lost to whole tasks: delta 0.25. From 700 the whole class gains 500
  // and the other loses 200: delta -0.15. From 500 the whole class gains 500: delta -0.25.
  EXPECT_EQ(exact->choose({.devices = devices}, half), (DeviceChoice{56, 2}));
  EXPECT_EQ(exact->choose({.devices = std::span(devices).first(2)}, half), (DeviceChoice{53, 1}));
  EXPECT_EQ(exact->choose({.devices = std::span(devices).first(1)}, half), (DeviceChoice{43, 0}));
}

TEST(Fragmentation, TakesTheFirstFreeDevicesWhole) {
  const auto exact = Fragmentation::make({expect(1, 1000, 1)});
  const std::vector<DeviceFree> devices = {{999, 0}, {1000, 0}, {1000, 0}};
  EXPECT_EQ(exact->choose({.devices = devices}, {.devices = 2, .share_milli = 1000}),
            (DeviceChoice{50, 1}));
  EXPECT_EQ(exact->choose({.devices = devices}, {.devices = 3, .share_milli = 1000}), std::nullopt);
}

TEST(Fragmentation, ShiftsATaskWithoutDevicesByItsCpuAlone) {
  const auto exact = Fragmentation::make({expect(1, 1000, 3, 4), expect(0, 0, 1)});
  const std::vector<DeviceFree> devices = {{1000, 0}, {1000, 0}};
  EXPECT_EQ(exact->choose({.cpu = 8, .devices = devices}, {.cpu = 4}), (DeviceChoice{50}));
  // Too little is left for the class of weight 3/4: its two devices become fragments, delta 1.5.
  EXPECT_EQ(exact->choose({.cpu = 7, .devices = devices}, {.cpu = 4}), (DeviceChoice{18}));
  EXPECT_EQ(exact->choose({.cpu = 3, .devices = devices}, {.cpu = 4}), std::nullopt);
}

TEST(Fragmentation, KeepsTheMostFrequentClassesUpToTheShareAsked) {
  const std::vector<TargetClass> classes = {expect(1, 100, 4), expect(1, 1000, 60),
                                            expect(1, 200, 4), expect(0, 0, 31, 1),
                                            expect(0, 0, 1, 2)};
  std::vector<std::pair<std::int32_t, std::int64_t>> kept;
  for (const TargetClass& one : most_frequent(classes, 95)) {
    kept.emplace_back(one.ask.share_milli, one.weight);
  }
  EXPECT_THAT(kept,
              ::testing::ElementsAre(std::pair(1000, 60), std::pair(0, 31), std::pair(200, 4)));
  EXPECT_EQ(most_frequent(classes, 100).size(), 5U);
  EXPECT_TRUE(most_frequent({}).empty());
}

TEST(Fragmentation, NamesTheMemberThatIsWrong) {
  const auto fault = [](std::vector<TargetClass> classes, int levels = 100) {
    const auto made = Fragmentation::make(std::move(classes), levels);
    return made ? std::string("none") : made.error().what;
  };
  EXPECT_EQ(fault({}), "classes");
  EXPECT_EQ(fault({expect(1, 1000, 1)}, 1), "levels");
  EXPECT_EQ(fault({expect(1, 1000, 1)}, 100'001), "levels");
  EXPECT_EQ(fault({expect(1, 1000, 1), expect(1, 1001, 1)}), "classes[1].share_milli");
  EXPECT_EQ(fault({expect(1, 0, 1)}), "classes[0].share_milli");
  EXPECT_EQ(fault({expect(2, 500, 1)}), "classes[0].share_milli");
  EXPECT_EQ(fault({expect(-1, 0, 1)}), "classes[0].devices");
  EXPECT_EQ(fault({expect(1, 1000, 0)}), "classes[0].weight");
  EXPECT_EQ(fault({expect(1, 1000, 1, -1)}), "classes[0].cpu");
  EXPECT_EQ(fault({expect(1, 1, Fragmentation::kMaxWeight), expect(1, 2, 1)}), "classes");
  EXPECT_EQ(fault(std::vector(5000, expect(1, 1, 1))), "classes");
}

}  // namespace
}  // namespace berth::placement
