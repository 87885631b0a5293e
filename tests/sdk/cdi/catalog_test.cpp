// SPDX-License-Identifier: Apache-2.0
// All CDI files of a host together.
#include "sdk/cdi/catalog.hpp"

#include <gmock/gmock.h>

#include <set>

#include "sdk/cdi/match.hpp"
#include "tests/sdk/cdi/files.hpp"

namespace berth::cdi {
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

  test::Files room_;
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

TEST_F(CdiCatalog, AddsTheEditsOfADeviceAndOnceThoseOfItsFile) {
  room_.write("cdi/a.yaml", test::kCdiOfTwo);
  room_.write("cdi/b.json", R"({"cdiVersion": "1.1.0", "kind": "v.example/gpu", "devices": [
    {"name": "far", "containerEdits": {"netDevices": [{"hostInterfaceName": "a", "name": "b"}]}}]})");
  catalog_.refresh();
  std::set<const Spec*> specs;
  v1::OciEdits edits;
  for (const char* name : {"nvidia.com/gpu=0", "nvidia.com/gpu=1"}) {
    ASSERT_TRUE(add_edits(**catalog_.find(name), specs, edits));
  }
  EXPECT_THAT(edits.env(), ElementsAre("NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_EQ(edits.mounts_size(), 1);
  EXPECT_EQ(edits.hooks_size(), 1);
  std::vector<std::string> nodes;
  for (const auto& node : edits.device_nodes()) nodes.push_back(node.path());
  EXPECT_THAT(nodes, ElementsAre("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1"));
  const auto refused = add_edits(**catalog_.find("v.example/gpu=far"), specs, edits);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, BERTH_PRECONDITION);
  EXPECT_THAT(refused.error().message, HasSubstr("b.json asks for what Berth cannot do: "));
  EXPECT_EQ(edits.device_nodes_size(), 3);
}

TEST_F(CdiCatalog, FindsADeviceByANodeThatIsItsAlone) {
  room_.write("cdi/a.yaml", test::kCdiOfTwo);
  catalog_.refresh();
  EXPECT_EQ(name_by_node(catalog_, "nvidia.com/gpu", "/dev/nvidia1"), "nvidia.com/gpu=1");
  EXPECT_EQ(name_by_node(catalog_, "nvidia.com/gpu", "/dev/nvidia2"), std::nullopt);
  EXPECT_EQ(name_by_node(catalog_, "amd.com/gpu", "/dev/nvidia1"), std::nullopt);
}

}  // namespace
}  // namespace berth::cdi
