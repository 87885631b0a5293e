// SPDX-License-Identifier: Apache-2.0
// Devices of NVML in CDI files.
#include "plugins/gpu/devices/nvidia_name.hpp"

#include <gmock/gmock.h>

#include "tests/plugins/gpu/room.hpp"

namespace berth::gpu {
namespace {

using ::testing::HasSubstr;

TEST(NvidiaName, IsByUuidThenByNodeThenByIndex) {
  const test::Room room;
  cdi::Catalog catalog({(room.path / "cdi").string()});
  const auto name = [&catalog](const char* uuid, unsigned index, unsigned minor) {
    const auto found = nvidia_name(catalog, "nvidia.com/gpu", uuid, index, minor);
    return found ? *found : found.error().message;
  };
  EXPECT_THAT(name("GPU-a", 0, 0), HasSubstr("run nvidia-ctk cdi generate"));
  room.write("cdi/a.yaml", test::kCdiOfTwo);
  catalog.refresh();
  // NVML's index 0 is the device with minor 1: indices are NVML's own order, nodes are the device.
  EXPECT_EQ(name("GPU-b", 0, 1), "nvidia.com/gpu=1");
  EXPECT_THAT(name("GPU-c", 0, 7), HasSubstr("(by GPU-c, or by /dev/nvidia7)"));
  room.write("cdi/b.json", R"({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [
    {"name": "GPU-b", "containerEdits": {}}, {"name": "3", "containerEdits": {"deviceNodes": [
      {"path": "/dev/dxg", "hostPath": "/dev/null"}]}}]})");
  catalog.refresh();
  EXPECT_EQ(name("GPU-b", 0, 1), "nvidia.com/gpu=GPU-b");
  EXPECT_EQ(name("GPU-d", 3, 3), "nvidia.com/gpu=3");
}

}  // namespace
}  // namespace berth::gpu
