// SPDX-License-Identifier: Apache-2.0
// All CDI files of a host together.
#include "plugins/gpu/devices/cdi_catalog.hpp"

#include <gmock/gmock.h>

#include "plugins/gpu/devices/cdi_match.hpp"
#include "tests/plugins/gpu/room.hpp"

namespace berth::gpu::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string one(const std::string& name, const std::string& node = "/dev/null") {
  return R"({"cdiVersion": "0.5.0", "kind": "v.example/gpu", "devices": [{"name": ")" + name +
         R"(", "containerEdits": {"deviceNodes": [{"path": ")" + node + R"("}]}}]})";
}

class CdiCatalog : public ::testing::Test {
 protected:
  std::string node_of(const std::string& name) {
    const auto entry = catalog_.find("v.example/gpu=" + name);
    return entry ? (*entry)->device->edits.oci.device_nodes(0).path() : entry.error().message;
  }
  std::vector<std::string> names(const std::vector<const Entry*>& entries) {
    std::vector<std::string> out;
    for (const Entry* entry : entries) out.push_back(entry->device->name);
    return out;
  }

  test::Room room_;
  const std::string static_ = room_.path / "cdi";
  const std::string dynamic_ = room_.path / "run";
  Catalog catalog_{{static_, dynamic_}};
};

TEST_F(CdiCatalog, IsEmptyWhereThereAreNoDirectories) {
  Catalog none({(room_.path / "nowhere").string()});
  none.refresh();
  EXPECT_THAT(none.kinds(), IsEmpty());
  EXPECT_THAT(none.problems(), IsEmpty());
  EXPECT_THAT(none.find("a/b=c").error().message, HasSubstr("nowhere describes a/b=c"));
}

TEST_F(CdiCatalog, HidesNoFileBehindABadOne) {
  room_.write("cdi/a.json", "{\"cdiVersion\": \"0.5.0\"\x01");
  room_.write("cdi/b.json", one("b"));
  room_.write("cdi/c.yaml", "kind: [");
  room_.write("cdi/d.txt", "no specification");
  std::filesystem::create_directory(room_.path / "cdi/e.json");
  EXPECT_TRUE(catalog_.refresh());
  EXPECT_EQ(node_of("b"), "/dev/null");
  EXPECT_THAT(catalog_.problems(),
              ElementsAre(HasSubstr("a.json: is no JSON"), HasSubstr("c.yaml: line 2"),
                          HasSubstr("e.json: is no regular file")));
  EXPECT_FALSE(catalog_.refresh());
}

TEST_F(CdiCatalog, TakesTheLaterDirectory) {
  room_.write("cdi/a.json", one("a", "/dev/zero"));
  room_.write("run/a.json", one("a", "/dev/full"));
  catalog_.refresh();
  EXPECT_EQ(node_of("a"), "/dev/full");
  std::filesystem::remove(room_.path / "run/a.json");
  EXPECT_TRUE(catalog_.refresh());
  EXPECT_EQ(node_of("a"), "/dev/zero");
}

TEST_F(CdiCatalog, TakesNeitherOfTwoFilesThatDescribeTheSameDevice) {
  room_.write("cdi/a.json", one("a", "/dev/zero"));
  room_.write("cdi/b.json", one("a", "/dev/full"));
  room_.write("cdi/c.json", one("c"));
  catalog_.refresh();
  EXPECT_THAT(node_of("a"), HasSubstr("a.json and " + static_ + "/b.json both describe it"));
  EXPECT_EQ(node_of("c"), "/dev/null");
  EXPECT_THAT(catalog_.problems(), ElementsAre(HasSubstr("both describe it")));
  room_.write("run/a.json", one("a", "/dev/full"));
  catalog_.refresh();
  EXPECT_EQ(node_of("a"), "/dev/full") << "the later directory settles it";
}

TEST_F(CdiCatalog, CountsAFileAsItWasWhileItIsBeingWritten) {
  room_.write("cdi/a.json", one("a", "/dev/zero"));
  catalog_.refresh();
  std::ofstream(room_.path / "cdi/a.json") << "{";
  EXPECT_TRUE(catalog_.refresh());
  EXPECT_EQ(node_of("a"), "/dev/zero");
  EXPECT_THAT(catalog_.problems(), ElementsAre(HasSubstr("it counts as it was before")));
  std::ofstream(room_.path / "cdi/a.json") << one("a", "/dev/full");
  EXPECT_TRUE(catalog_.refresh());
  EXPECT_EQ(node_of("a"), "/dev/full");
  EXPECT_THAT(catalog_.problems(), IsEmpty());
  std::filesystem::remove(room_.path / "cdi/a.json");
  EXPECT_TRUE(catalog_.refresh());
  EXPECT_THAT(node_of("a"), HasSubstr("describes v.example/gpu=a"));
}

TEST_F(CdiCatalog, RefusesAFileThatAnyoneMayWrite) {
  room_.write("cdi/a.json", one("a"));
  ::chmod((static_ + "/a.json").c_str(), 0666);
  catalog_.refresh();
  EXPECT_THAT(catalog_.problems(), ElementsAre(HasSubstr("a.json: may be written by anyone")));
  EXPECT_THAT(catalog_.kinds(), IsEmpty());
}

TEST_F(CdiCatalog, RefusesAFileOfMoreThanFourMebibytes) {
  room_.write("cdi/a.json", std::string((4U << 20U) + 1, ' '));
  catalog_.refresh();
  EXPECT_THAT(catalog_.problems(), ElementsAre(HasSubstr("a.json: is larger than 4 MiB")));
}

TEST_F(CdiCatalog, CountsEachPieceOfHardwareOnce) {
  room_.write("cdi/a.yaml", std::string(test::kCdiOfTwo) + R"(
)");
  room_.write("cdi/b.json", R"({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [
    {"name": "GPU-b", "containerEdits": {"deviceNodes": [
      {"path": "/dev/nvidia1", "hostPath": "/dev/full"}]}}]})");
  catalog_.refresh();
  EXPECT_THAT(names(catalog_.of_kind("nvidia.com/gpu")), ElementsAre("0", "1", "GPU-b", "all"));
  EXPECT_THAT(names(distinct(catalog_.of_kind("nvidia.com/gpu"))), ElementsAre("0", "GPU-b"));
}

TEST_F(CdiCatalog, FindsADeviceOfNvmlByUuidThenByNodeThenByIndex) {
  const auto name = [this](const char* uuid, unsigned index, unsigned minor) {
    const auto found = nvidia_name(catalog_, "nvidia.com/gpu", uuid, index, minor);
    return found ? *found : found.error().message;
  };
  EXPECT_THAT(name("GPU-a", 0, 0), HasSubstr("run nvidia-ctk cdi generate"));
  room_.write("cdi/a.yaml", test::kCdiOfTwo);
  catalog_.refresh();
  // NVML's index 0 is the device with minor 1: indices are NVML's own order, nodes are the device.
  EXPECT_EQ(name("GPU-b", 0, 1), "nvidia.com/gpu=1");
  EXPECT_THAT(name("GPU-c", 0, 7), HasSubstr("(by GPU-c, or by /dev/nvidia7)"));
  room_.write("cdi/b.json", R"({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [
    {"name": "GPU-b", "containerEdits": {}}, {"name": "3", "containerEdits": {"deviceNodes": [
      {"path": "/dev/dxg", "hostPath": "/dev/null"}]}}]})");
  catalog_.refresh();
  EXPECT_EQ(name("GPU-b", 0, 1), "nvidia.com/gpu=GPU-b");
  EXPECT_EQ(name("GPU-d", 3, 3), "nvidia.com/gpu=3");
}

}  // namespace
}  // namespace berth::gpu::cdi
