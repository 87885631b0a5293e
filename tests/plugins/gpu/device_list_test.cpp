// SPDX-License-Identifier: Apache-2.0
// What drivers and CDI files tell, put together.
#include "plugins/gpu/devices/device_list.hpp"

#include <gmock/gmock.h>

#include "tests/plugins/gpu/room.hpp"

namespace berth::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class DeviceListTest : public ::testing::Test {
 protected:
  DeviceListTest() {
    sources_.nvml = nvml::Scan{};
    sources_.amd = std::vector<amd::Gpu>{};
  }
  Config config() {
    Config config;
    config.sysfs_root = room_.path / "sys";
    return config;
  }
  bool update() {
    catalog_.refresh();
    return list_.update(sources_, catalog_);
  }
  void nvml_has(std::vector<nvml::Gpu> gpus) {
    sources_.nvml =
        nvml::Scan{.has_library = true, .driver = "550.1", .problem = {}, .gpus = std::move(gpus)};
  }
  static nvml::Gpu gpu(const std::string& uuid, unsigned index) {
    nvml::Gpu gpu;
    gpu.uuid = uuid;
    gpu.index = gpu.minor = index;
    gpu.name = "Test";
    gpu.memory_mib = 1024;
    gpu.pci = "0000:0" + std::to_string(index) + ":00.0";
    return gpu;
  }
  const v1::Device& device(const std::string& id) { return list_.all().at(id).device; }
  std::string reason(const std::string& id) {
    if (!list_.all().contains(id)) return "not there";
    EXPECT_EQ(device(id).healthy(), device(id).unhealthy_reason().empty());
    return device(id).unhealthy_reason();
  }
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    for (const auto& [id, listed] : list_.all()) out.push_back(id);
    return out;
  }

  test::Room room_;
  cdi::Catalog catalog_{{(room_.path / "cdi").string()}};
  Sources sources_;
  DeviceList list_{config()};
};

TEST_F(DeviceListTest, TellsAllOfADeviceOfNvml) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  room_.write("sys/bus/pci/devices/0000:00:00.0/numa_node", "1\n");
  nvml::Gpu linked = gpu("GPU-a", 0);
  linked.link_group = "0000:00:00.0";
  nvml_has({linked});
  EXPECT_TRUE(update());
  EXPECT_FALSE(update()) << "nothing is new";
  const v1::Device& told = device("GPU-a");
  EXPECT_EQ(told.type(), "GPU");
  EXPECT_EQ(told.model(), "Test");
  EXPECT_EQ(told.memory_mib(), 1024);
  EXPECT_EQ(told.share_milli(), 1000);
  EXPECT_TRUE(told.healthy()) << told.unhealthy_reason();
  EXPECT_THAT(told.topology(),
              UnorderedElementsAre(Pair("vendor", "nvidia"), Pair("driver", "550.1"),
                                   Pair("pci", "0000:00:00.0"), Pair("numa", "1"),
                                   Pair("link_group", "0000:00:00.0")));
  EXPECT_EQ(list_.all().at("GPU-a").cdi_name, "nvidia.com/gpu=0");
}

TEST_F(DeviceListTest, GivesDevicesWholeOnlyWhereTheOperatorSaysSo) {
  Config whole = config();
  whole.sharing = false;
  DeviceList list(whole);
  nvml_has({gpu("GPU-a", 0)});
  list.update(sources_, catalog_);
  EXPECT_EQ(list.all().at("GPU-a").device.share_milli(), 0);
}

TEST_F(DeviceListTest, OffersNoDeviceThatNothingCanInject) {
  nvml_has({gpu("GPU-a", 0)});
  update();
  EXPECT_THAT(reason("GPU-a"), HasSubstr("no CDI file in " + (room_.path / "cdi").string()));
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-a"), "");
}

TEST_F(DeviceListTest, TakesNoDeviceFromItsTaskBecauseAFileIsRewritten) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  nvml_has({gpu("GPU-a", 0)});
  update();
  std::filesystem::remove(room_.path / "cdi/nvidia.yaml");
  EXPECT_FALSE(update());
  EXPECT_EQ(reason("GPU-a"), "");
  EXPECT_THAT(list_.all().at("GPU-a").no_way, HasSubstr("no CDI file"));
}

TEST_F(DeviceListTest, KeepsADeviceThatIsGoneWithTheReason) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  nvml_has({gpu("GPU-a", 0), gpu("GPU-b", 1)});
  update();
  nvml_has({gpu("GPU-a", 0)});
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-b"), "it is gone: its driver lists it no more");
  EXPECT_EQ(reason("GPU-a"), "");
  EXPECT_EQ(device("GPU-b").model(), "Test");
  nvml_has({gpu("GPU-a", 0), gpu("GPU-b", 1)});
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-b"), "");
  sources_.nvml = nvml::Scan{
      .has_library = true, .driver = {}, .problem = "nvmlInit: Driver Not Loaded", .gpus = {}};
  update();
  EXPECT_EQ(reason("GPU-a"), "its driver does not list it: nvmlInit: Driver Not Loaded");
}

TEST_F(DeviceListTest, KnowsADeviceAtFaultForWhatItWas) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  nvml_has({gpu("GPU-a", 0)});
  update();
  nvml::Gpu lost;
  lost.uuid = "GPU-a";
  lost.fault = "it cannot be opened: GPU is lost";
  nvml_has({lost});
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-a"), "it cannot be opened: GPU is lost");
  EXPECT_EQ(device("GPU-a").memory_mib(), 1024);
}

TEST_F(DeviceListTest, HoldsAHangAgainstTheDevicesOfThatDriverAlone) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  nvml_has({gpu("GPU-a", 0)});
  amd::Gpu other;
  other.id = "GPU-1";
  other.card = "card0";
  other.render = "renderD128";
  sources_.amd = std::vector{other};
  update();
  sources_.nvml_hangs = true;
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-a"), "NVML hangs: a call has taken longer than 1000 ms");
  EXPECT_EQ(reason("GPU-1"), "");
  sources_.nvml_hangs = false;
  sources_.amd_hangs = true;
  EXPECT_TRUE(update());
  EXPECT_EQ(reason("GPU-a"), "");
  EXPECT_EQ(reason("GPU-1"), "its driver hangs: reading took longer than 1000 ms");
}

TEST_F(DeviceListTest, OffersDevicesOfAnyVendorByCdi) {
  room_.write("cdi/v.json", R"({"cdiVersion": "1.1.0", "kind": "v.example/gpu", "devices": [
    {"name": "one", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}]}},
    {"name": "two", "containerEdits": {"intelRdt": {}}}]})");
  room_.write("cdi/n.json", R"({"cdiVersion": "0.5.0", "kind": "v.example/net", "devices": [
    {"name": "eth", "containerEdits": {}}]})");
  update();
  EXPECT_THAT(ids(), ElementsAre("v.example/gpu=one", "v.example/gpu=two"));
  EXPECT_EQ(reason("v.example/gpu=one"), "");
  EXPECT_THAT(reason("v.example/gpu=two"),
              HasSubstr("asks for what Berth cannot do: devices[1].containerEdits.intelRdt"));
  EXPECT_EQ(device("v.example/gpu=one").topology().at("vendor"), "v.example");
  std::filesystem::remove(room_.path / "cdi/v.json");
  update();
  EXPECT_EQ(reason("v.example/gpu=one"), "no CDI file describes it any more");
}

TEST_F(DeviceListTest, OffersTheKindsThatTheOperatorNames) {
  room_.write("cdi/n.json", R"({"cdiVersion": "0.5.0", "kind": "v.example/npu", "devices": [
    {"name": "a", "containerEdits": {}}]})");
  Config only = config();
  only.cdi_kinds = {"v.example/npu"};
  DeviceList list(only);
  catalog_.refresh();
  list.update(sources_, catalog_);
  EXPECT_TRUE(list.all().contains("v.example/npu=a"));
}

TEST_F(DeviceListTest, OffersNvidiasDevicesByCdiOnlyWhereThereIsNoLibraryToAsk) {
  room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
  sources_.nvml.reset();
  update();
  EXPECT_THAT(ids(), ElementsAre()) << "it was not asked yet";
  sources_.nvml = nvml::Scan{};
  update();
  EXPECT_THAT(ids(), ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=1"));
  nvml_has({gpu("GPU-a", 0)});
  update();
  EXPECT_EQ(reason("GPU-a"), "");
  EXPECT_EQ(reason("nvidia.com/gpu=0"), "no CDI file describes it any more");
}

TEST_F(DeviceListTest, GivesAmdsDevicesByCdiOrByTheirNodes) {
  amd::Gpu one;
  one.id = "GPU-1";
  one.card = "card0";
  one.render = "renderD128";
  sources_.amd = std::vector{one};
  update();
  const Listed& listed = list_.all().at("GPU-1");
  EXPECT_EQ(listed.cdi_name, "");
  ASSERT_EQ(listed.nodes.device_nodes_size(), 3);
  EXPECT_EQ(listed.nodes.device_nodes(0).path(), "/dev/kfd");
  EXPECT_EQ(listed.nodes.device_nodes(2).path(), "/dev/dri/renderD128");
  room_.write("cdi/amd.json", R"({"cdiVersion": "0.6.0", "kind": "amd.com/gpu", "devices": [
    {"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/kfd"},
      {"path": "/dev/dri/renderD128"}]}},
    {"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/kfd"},
      {"path": "/dev/dri/renderD128"}, {"path": "/dev/dri/renderD129"}]}}]})");
  update();
  EXPECT_EQ(list_.all().at("GPU-1").cdi_name, "amd.com/gpu=0");
  EXPECT_THAT(ids(), ElementsAre("GPU-1"));
}

}  // namespace
}  // namespace berth::gpu
