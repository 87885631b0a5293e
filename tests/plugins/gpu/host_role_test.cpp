// SPDX-License-Identifier: Apache-2.0
// The host role through the real table, on the stand-in for NVML.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/contract/harness.hpp"
#include "tests/plugins/gpu/room.hpp"

namespace berth::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GpuHost : public ::testing::Test {
 protected:
  GpuHost() {
    room_.nvml(kTwo);
    room_.write("cdi/nvidia.yaml", kCdiOfTwo);
  }
  ~GpuHost() override { plugin_.end(); }

  v1::PluginConfig config(const std::map<std::string, std::string>& more = {}) {
    v1::PluginConfig config;
    auto& settings = *config.mutable_settings();
    settings["nvml_library"] = BERTH_STAND_IN;
    settings["cdi_dirs.0"] = room_.path / "cdi";
    settings["sysfs_root"] = room_.path / "sys";
    settings["poll_interval_ms"] = "20";
    settings["driver_timeout_ms"] = "20000";
    for (const auto& [key, value] : more) settings[key] = value;
    config.add_interfaces("berth.host/1");
    return config;
  }
  std::string refused(const std::string& key, const std::string& value) {
    const auto begun = plugin_.begin(config({{key, value}}));
    return begun ? "accepted" : begun.error().message + plugin_.log();
  }
  // The newest word about the device.
  std::optional<v1::Device> told(const std::string& id) {
    if (plugin_.devices.empty()) return {};
    for (const v1::Device& device : plugin_.devices.back().devices()) {
      if (device.id() == id) return device;
    }
    return {};
  }
  bool until_reason(const std::string& id, const std::string& words) {
    return plugin_.until([&] {
      const auto device = told(id);
      return device && device->unhealthy_reason().find(words) != std::string::npos;
    });
  }
  bool until_healthy(const std::string& id) {
    return plugin_.until([&] {
      const auto device = told(id);
      return device && device->healthy();
    });
  }
  Result<v1::PrepareResponse> prepare(const std::string& id) {
    v1::PrepareRequest request;
    request.set_task_id("t");
    request.set_container("main");
    v1::DeviceGrant& grant = *request.add_grants();
    grant.set_container("main");
    grant.set_device_id(id);
    grant.set_share_milli(1000);
    return plugin_.call<v1::PrepareResponse>(v1::METHOD_HOST_PREPARE, request);
  }
  // Of a device that is well: a busy machine may take the library for hanging once more.
  bool can_prepare(const std::string& id) {
    for (int i = 0; i < 10000; ++i) {
      if (prepare(id)) return true;
    }
    return false;
  }
  static std::map<std::string, std::string> impatient() { return {{"driver_timeout_ms", "200"}}; }
  v1::DeviceStatsResponse stats(const v1::DeviceStatsRequest& request = {}) {
    const auto told = plugin_.call<v1::DeviceStatsResponse>(v1::METHOD_HOST_DEVICE_STATS, request);
    EXPECT_TRUE(told) << told.error().message;
    return told ? *told : v1::DeviceStatsResponse();
  }

  Room room_;
  Harness plugin_{BERTH_GPU};
};

TEST_F(GpuHost, KnowsItsDevicesOnceItIsActive) {
  plugin_.activate(config());
  const auto found =
      plugin_.call<v1::DiscoverResponse>(v1::METHOD_HOST_DISCOVER, v1::DiscoverRequest());
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->devices_size(), 2);
  EXPECT_EQ(found->devices(0).id(), "GPU-a");
  EXPECT_TRUE(found->devices(0).healthy()) << found->devices(0).unhealthy_reason();
  EXPECT_EQ(found->devices(1).topology().at("link_group"), "0000:07:00.0");
  ASSERT_TRUE(until_healthy("GPU-b"));
  EXPECT_EQ(plugin_.devices.size(), 1U) << "it tells changes, and nothing else";
}

TEST_F(GpuHost, HasNoDevicesOnAHostWithoutAny) {
  room_.write("cdi/nvidia.yaml", "kind: [");
  plugin_.activate(config({{"nvml_library", "libberth-no-such-library.so.1"}}));
  const auto found =
      plugin_.call<v1::DiscoverResponse>(v1::METHOD_HOST_DISCOVER, v1::DiscoverRequest());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->devices_size(), 0);
  EXPECT_THAT(plugin_.log(), HasSubstr("CDI: " + (room_.path / "cdi/nvidia.yaml").string()));
}

TEST_F(GpuHost, TellsOfADeviceThatFailsAndThatItIsBack) {
  plugin_.activate(config());
  std::string lost = kTwo;
  lost.replace(lost.find("uuid=GPU-b"), 10, "uuid=GPU-b error=15");
  room_.nvml(lost);
  ASSERT_TRUE(until_reason("GPU-b", "it cannot be opened: GPU is lost"));
  EXPECT_TRUE(told("GPU-a")->healthy());
  const auto refused = prepare("GPU-b");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("GPU GPU-b: it cannot be opened: GPU is lost"));
  EXPECT_TRUE(prepare("GPU-a"));
  room_.nvml(kTwo);
  ASSERT_TRUE(until_healthy("GPU-b"));
  EXPECT_TRUE(prepare("GPU-b"));
  EXPECT_THAT(plugin_.log(), HasSubstr("GPU GPU-b is not offered: it cannot be opened"));
}

TEST_F(GpuHost, TellsOfADeviceThatIsGone) {
  plugin_.activate(config());
  const std::string both = kTwo;
  room_.nvml(both.substr(0, both.find("gpu uuid=GPU-b")));
  ASSERT_TRUE(until_reason("GPU-b", "it is gone"));
  EXPECT_FALSE(prepare("GPU-b"));
  room_.nvml(both);
  ASSERT_TRUE(until_healthy("GPU-b"));
}

TEST_F(GpuHost, TellsOfAnXid) {
  plugin_.activate(config());
  room_.nvml(kTwo + room_.xid("GPU-a", 79));
  ASSERT_TRUE(until_reason("GPU-a", "the error XID 79"));
  EXPECT_TRUE(told("GPU-b")->healthy());
}

TEST_F(GpuHost, GoesOnWhileACallOfTheLibraryHangs) {
  plugin_.activate(config(impatient()));
  room_.nvml("hang nvmlDeviceGetMemoryInfo " + room_.fifo() + "\n" + kTwo);
  ASSERT_TRUE(until_reason("GPU-a", "NVML hangs"));
  EXPECT_FALSE(told("GPU-b")->healthy());
  // All calls are answered meanwhile.
  const auto refused = prepare("GPU-a");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("GPU GPU-a: NVML hangs"));
  EXPECT_EQ(stats().devices_size(), 0);
  EXPECT_TRUE(plugin_.call<v1::DiscoverResponse>(v1::METHOD_HOST_DISCOVER, v1::DiscoverRequest()));
  room_.nvml(kTwo);
  room_.let_go();
  ASSERT_TRUE(until_healthy("GPU-a"));
  EXPECT_TRUE(can_prepare("GPU-a"));
}

TEST_F(GpuHost, EndsWhileACallOfTheLibraryHangs) {
  plugin_.activate(config(impatient()));
  room_.nvml("hang nvmlDeviceGetCount_v2 " + room_.fifo() + "\n" + kTwo);
  ASSERT_TRUE(until_reason("GPU-a", "NVML hangs"));
  plugin_.end();
  room_.nvml(kTwo);
  room_.let_go();
  plugin_.activate(config(impatient()));
  EXPECT_TRUE(can_prepare("GPU-a"));
}

TEST_F(GpuHost, BecomesActiveWithoutWaitingForADriverThatNeverAnswers) {
  room_.nvml("hang nvmlInit_v2 " + room_.fifo() + "\n" + kTwo);
  plugin_.activate(config(impatient()));
  EXPECT_EQ(told("GPU-a"), std::nullopt);
  room_.nvml(kTwo);
  room_.let_go();
  ASSERT_TRUE(until_healthy("GPU-a"));
}

TEST_F(GpuHost, EditsAContainerToHaveItsDeviceAndReleasesIt) {
  plugin_.activate(config());
  const auto made = prepare("GPU-b");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->edits().device_nodes_size(), 2);
  EXPECT_EQ(made->edits().device_nodes(1).path(), "/dev/nvidia1");
  EXPECT_EQ(made->edits().device_nodes(1).host_path(), "/dev/full");
  EXPECT_THAT(made->edits().env(), ElementsAre("NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_EQ(prepare("GPU-b")->SerializeAsString(), made->SerializeAsString());
  v1::ReleaseRequest release;
  release.set_task_id("t");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(plugin_.call<v1::Empty>(v1::METHOD_HOST_RELEASE, release));
  }
}

TEST_F(GpuHost, TellsHowBusyItsDevicesAre) {
  plugin_.activate(config());
  EXPECT_EQ(stats().devices_size(), 2);
  v1::DeviceStatsRequest one;
  one.add_device_ids("GPU-a");
  one.add_device_ids("GPU-x");
  const auto told = stats(one);
  ASSERT_EQ(told.devices_size(), 1);
  EXPECT_EQ(told.devices(0).device_id(), "GPU-a");
  EXPECT_DOUBLE_EQ(told.devices(0).utilization(), 0.25);
}

TEST_F(GpuHost, RefusesSettingsByName) {
  EXPECT_THAT(refused("sysfs_root", "sys"), HasSubstr("sysfs_root: 'sys' is no absolute path"));
  EXPECT_THAT(refused("cdi_dirs.0", "etc"), HasSubstr("cdi_dirs: 'etc' is no absolute path"));
  EXPECT_THAT(refused("cdi_kinds.0", "gpu"), HasSubstr("cdi_kinds: 'gpu' is not VENDOR/CLASS"));
  EXPECT_THAT(refused("poll_interval_ms", "1"), HasSubstr("poll_interval_ms: 1 is not between"));
  EXPECT_THAT(refused("driver_timeout_ms", "x"),
              HasSubstr("driver_timeout_ms: 'x' is not a whole"));
  EXPECT_THAT(refused("xid_quarantine_seconds", "-1"), HasSubstr("xid_quarantine_seconds: -1"));
  EXPECT_THAT(refused("sharing", "yes"), HasSubstr("sharing: 'yes' is neither true nor false"));
  EXPECT_THAT(refused("nvml", "x"), HasSubstr("unknown key 'nvml'"));
}

TEST_F(GpuHost, HasEverySettingInItsReadme) {
  std::ifstream in(BERTH_GPU_README);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [key, value] :
       config({{"cdi_kinds", ""}, {"xid_quarantine_seconds", ""}, {"sharing", ""}}).settings()) {
    EXPECT_THAT(text, HasSubstr("| `" + key.substr(0, key.find('.')) + "` |"));
  }
}

}  // namespace
}  // namespace berth::test
