// SPDX-License-Identifier: Apache-2.0
// AMD's devices, from a sysfs of the test's own.
#include "plugins/gpu/devices/amd_sysfs.hpp"

#include <gmock/gmock.h>

#include "tests/plugins/gpu/amd_tree.hpp"

namespace berth::gpu::amd {
namespace {

using ::testing::IsEmpty;

class AmdSysfs : public ::testing::Test {
 protected:
  AmdSysfs() { test::write_amd_tree(room_); }
  std::vector<Gpu> found() { return scan(room_.path / "sys"); }
  void set(const std::string& file, const std::string& text) {
    room_.write("sys/class/drm/card1/device/" + file, text);
  }
  void remove(const std::string& file) {
    std::filesystem::remove_all(room_.path / "sys/class/drm/card1/device" / file);
  }

  test::Room room_;
};

TEST_F(AmdSysfs, TellsWhatThereIs) {
  const auto gpus = found();
  ASSERT_EQ(gpus.size(), 2U);
  const Gpu& second = gpus[1];
  EXPECT_EQ(second.id, "GPU-3f2a00c0ffee0001");
  EXPECT_EQ(second.name, "AMD Instinct MI210");
  EXPECT_EQ(second.memory_mib, 65520);
  EXPECT_EQ(second.pci, "0000:83:00.0");
  EXPECT_EQ(second.numa, "1");
  EXPECT_EQ(second.link_group, "xgmi-7812340000");
  EXPECT_EQ(second.driver, "6.3.6");
  EXPECT_EQ(second.card, "card1");
  EXPECT_EQ(second.render, "renderD129");
  EXPECT_EQ(second.fault, "");
}

TEST_F(AmdSysfs, NamesADeviceByItsPlaceWhereItHasNoNumberOfItsOwn) {
  remove("unique_id");
  remove("product_name");
  set("xgmi_hive_info/xgmi_hive_id", "0\n");
  set("numa_node", "-1\n");
  const auto gpus = found();
  EXPECT_EQ(gpus[1].id, "amd-0000:83:00.0");
  EXPECT_EQ(gpus[1].name, "AMD 0x740f");
  EXPECT_EQ(gpus[1].link_group, "");
  EXPECT_EQ(gpus[1].numa, "");
}

TEST_F(AmdSysfs, NamesTheFaultOfADevice) {
  set("config", std::string(4, '\xff'));
  EXPECT_EQ(found()[1].fault, "it has fallen off the PCI bus");
  EXPECT_EQ(found()[0].fault, "");
  set("config", std::string("\x02\x10", 2));
  set("current_compute_partition", "CPX\n");
  EXPECT_EQ(found()[1].fault, "it is in partition mode CPX, and partitions are not offered");
  set("current_compute_partition", "SPX\n");
  EXPECT_EQ(found()[1].fault, "");
  // What reads as a directory answers with an error, as a driver does that is stuck.
  remove("gpu_busy_percent");
  set("gpu_busy_percent/x", "");
  EXPECT_EQ(found()[1].fault, "its driver does not answer: Is a directory");
  remove("gpu_busy_percent");
  EXPECT_EQ(found()[1].fault, "") << "not every device tells how busy it is";
  remove("drm");
  EXPECT_EQ(found()[1].fault, "its driver offers no render node");
}

TEST_F(AmdSysfs, LeavesOutWhatIsNotTheDrivers) {
  set("uevent", "DRIVER=vfio-pci\nPCI_SLOT_NAME=0000:83:00.0\n");
  EXPECT_EQ(found().size(), 1U);
  EXPECT_THAT(scan(room_.path / "nowhere"), IsEmpty());
}

TEST_F(AmdSysfs, TellsHowBusyDevicesAre) {
  const auto gpus = found();
  remove("mem_info_vram_used");
  const auto told = stats(room_.path / "sys", gpus);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].device_id(), "GPU-3f2a00c0ffee0000");
  EXPECT_DOUBLE_EQ(told[0].utilization(), 0.37);
  EXPECT_EQ(told[0].memory_used_mib(), 10496);
  EXPECT_EQ(told[0].memory_total_mib(), 65520);
}

}  // namespace
}  // namespace berth::gpu::amd
