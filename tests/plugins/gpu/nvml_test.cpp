// SPDX-License-Identifier: Apache-2.0
// NVIDIA's devices, from the stand-in for their library.
#include "plugins/gpu/devices/nvml.hpp"

#include <gmock/gmock.h>

#include "plugins/gpu/devices/link_groups.hpp"
#include "tests/plugins/gpu/room.hpp"

namespace berth::gpu::nvml {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class NvmlTest : public ::testing::Test {
 protected:
  Scan scan() { return nvml_.scan(now_, alive_); }
  // The fault of the device, from a new scan.
  std::string fault(const std::string& uuid) {
    for (const Gpu& gpu : scan().gpus) {
      if (gpu.uuid == uuid) return gpu.fault;
    }
    return "not there";
  }
  static std::string gpu(const std::string& uuid, const std::string& more = {}) {
    return "gpu uuid=" + uuid + " name=Test memory_mib=1024 pci=00000000:07:00.0 " + more + "\n";
  }

  test::Room room_;
  int signs_ = 0;
  const Alive alive_{[this](std::chrono::milliseconds) { ++signs_; }};
  Nvml::Clock::time_point now_{};
  Nvml nvml_{BERTH_STAND_IN, seconds(300)};
};

TEST_F(NvmlTest, TellsWhatThereIs) {
  room_.nvml(test::kTwo);
  const Scan found = scan();
  EXPECT_TRUE(found.has_library);
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.driver, "550.54.15");
  ASSERT_EQ(found.gpus.size(), 2U);
  const Gpu& second = found.gpus[1];
  EXPECT_EQ(second.uuid, "GPU-b");
  EXPECT_EQ(second.index, 1U);
  EXPECT_EQ(second.minor, 1U);
  EXPECT_EQ(second.name, "NVIDIA A100");
  EXPECT_EQ(second.memory_mib, 40960);
  EXPECT_EQ(second.pci, "0000:0f:00.0");
  EXPECT_EQ(second.link_group, "0000:07:00.0");
  EXPECT_EQ(found.gpus[0].link_group, "0000:07:00.0");
  EXPECT_EQ(second.fault, "");
  EXPECT_GT(signs_, 10) << "each call is a sign of life";
}

TEST_F(NvmlTest, SaysThatThereIsNoLibraryOrThatItIsAnother) {
  Nvml none("libberth-no-such-library.so.1", seconds(0));
  const Scan nothing = none.scan(now_, alive_);
  EXPECT_FALSE(nothing.has_library);
  EXPECT_THAT(nothing.problem, HasSubstr("libberth-no-such-library.so.1"));
  Nvml other("libm.so.6", seconds(0));
  EXPECT_THAT(other.scan(now_, alive_).problem, HasSubstr("libm.so.6 lacks nvmlInit_v2"));
}

TEST_F(NvmlTest, BeginsOnceTheDriverIsLoaded) {
  room_.nvml("error nvmlInit_v2 9\n" + gpu("GPU-a"));
  EXPECT_EQ(scan().problem, "nvmlInit: Driver Not Loaded");
  room_.nvml(gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "");
  room_.nvml("error nvmlDeviceGetCount_v2 9\n" + gpu("GPU-a"));
  const Scan lost = scan();
  EXPECT_EQ(lost.problem, "nvmlDeviceGetCount: Driver Not Loaded");
  EXPECT_THAT(lost.gpus, IsEmpty());
  room_.nvml(gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "");
}

TEST_F(NvmlTest, NamesTheFaultOfADeviceAndSeesItGo) {
  room_.nvml(gpu("GPU-a") + gpu("GPU-b"));
  EXPECT_EQ(fault("GPU-b"), "");
  room_.nvml(gpu("GPU-a") + gpu("GPU-b", "error=15"));
  EXPECT_EQ(fault("GPU-b"), "it cannot be opened: GPU is lost");
  EXPECT_EQ(fault("GPU-a"), "");
  room_.nvml(gpu("GPU-a") + gpu("GPU-b"));
  EXPECT_EQ(fault("GPU-b"), "");
  room_.nvml("error nvmlDeviceGetMemoryInfo 16\n" + gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "it does not answer: Unknown Error");
  room_.nvml("error nvmlDeviceGetMemoryInfo 3\n" + gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "") << "its memory may be the host's";
  room_.nvml(gpu("GPU-a", "mig=1"));
  EXPECT_THAT(fault("GPU-a"), HasSubstr("it is in MIG mode"));
  room_.nvml(gpu("GPU-a", "rows_pending=1"));
  EXPECT_THAT(fault("GPU-a"), HasSubstr("it needs a reset"));
  room_.nvml(gpu("GPU-a", "rows_failed=1"));
  EXPECT_THAT(fault("GPU-a"), HasSubstr("could not be remapped"));
  room_.nvml(gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "");
}

TEST_F(NvmlTest, SaysWhereADeviceCannotBeToldAtAll) {
  room_.nvml(gpu("GPU-a", "error=15") + gpu("GPU-b"));
  const Scan found = scan();
  EXPECT_EQ(found.problem, "device 0, it cannot be opened: GPU is lost");
  ASSERT_EQ(found.gpus.size(), 1U);
  EXPECT_EQ(found.gpus[0].uuid, "GPU-b");
}

TEST_F(NvmlTest, HoldsADeviceBackForATimeAfterAnXid) {
  const std::string both = gpu("GPU-a") + gpu("GPU-b");
  room_.nvml(both);
  EXPECT_EQ(fault("GPU-a"), "");
  room_.nvml(both + room_.xid("GPU-a", 79, 1));
  EXPECT_EQ(fault("GPU-a"),
            "its driver reported the error XID 79; it is held back until none has come for 300 "
            "seconds");
  EXPECT_EQ(fault("GPU-b"), "");
  now_ += seconds(299);
  EXPECT_THAT(fault("GPU-a"), HasSubstr("XID 79"));
  room_.nvml(both + room_.xid("GPU-a", 48, 2));
  EXPECT_THAT(fault("GPU-a"), HasSubstr("XID 48")) << "each one begins anew";
  now_ += seconds(299);
  EXPECT_THAT(fault("GPU-a"), HasSubstr("XID 48"));
  now_ += seconds(1);
  EXPECT_EQ(fault("GPU-a"), "");
}

TEST_F(NvmlTest, HoldsNothingAgainstADeviceThatIsItsProgramsFault) {
  room_.nvml(gpu("GPU-a"));
  EXPECT_EQ(fault("GPU-a"), "");
  room_.nvml(gpu("GPU-a") + room_.xid("GPU-a", 31, 1) + room_.xid("GPU-a", 13, 2) +
             room_.xid("GPU-a", 43, 3));
  EXPECT_EQ(fault("GPU-a"), "");
}

TEST_F(NvmlTest, HoldsADeviceBackForEverWhereTheOperatorSaysSo) {
  XidQuarantine quarantine(seconds(0));
  quarantine.add("GPU-a", 79, now_);
  EXPECT_THAT(quarantine.fault("GPU-a", now_ + std::chrono::hours(100000)),
              HasSubstr("until the agent starts again"));
}

TEST_F(NvmlTest, TellsHowBusyDevicesAre) {
  room_.nvml(test::kTwo);
  EXPECT_THAT(nvml_.stats({"GPU-a"}, alive_), IsEmpty()) << "before the first scan";
  (void)scan();
  const auto stats = nvml_.stats({"GPU-a", "GPU-x"}, alive_);
  ASSERT_EQ(stats.size(), 1U);
  EXPECT_EQ(stats[0].device_id(), "GPU-a");
  EXPECT_DOUBLE_EQ(stats[0].utilization(), 0.25);
  EXPECT_EQ(stats[0].memory_used_mib(), 1024);
  EXPECT_EQ(stats[0].memory_total_mib(), 40960);
  EXPECT_DOUBLE_EQ(stats[0].values().at("temperature_celsius"), 41);
  EXPECT_DOUBLE_EQ(stats[0].values().at("power_watts"), 61.5);
}

TEST(LinkGroups, JoinWhatIsJoinedDirectlyOrBySwitches) {
  EXPECT_THAT(link_groups({{"1", {"2"}}, {"2", {}}, {"3", {}}}),
              ElementsAre(Pair("1", "1"), Pair("2", "1")));
  EXPECT_THAT(link_groups({{"1", {"s"}}, {"2", {"s"}}, {"3", {"t"}}}),
              ElementsAre(Pair("1", "1"), Pair("2", "1")));
  EXPECT_THAT(
      link_groups({{"1", {"2"}}, {"2", {"3"}}, {"3", {"1"}}, {"4", {"5"}}, {"5", {"4"}}}),
      ElementsAre(Pair("1", "1"), Pair("2", "1"), Pair("3", "1"), Pair("4", "4"), Pair("5", "4")));
}

}  // namespace
}  // namespace berth::gpu::nvml
