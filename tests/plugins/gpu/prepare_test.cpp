// SPDX-License-Identifier: Apache-2.0
// How containers are edited to have the devices that they were given.
#include "plugins/gpu/devices/prepare.hpp"

#include <gmock/gmock.h>

#include "tests/plugins/gpu/room.hpp"

namespace berth::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PrepareTest : public ::testing::Test {
 protected:
  PrepareTest() {
    room_.write("cdi/nvidia.yaml", test::kCdiOfTwo);
    sources_.nvml = nvml::Scan{.has_library = true, .driver = "1", .problem = {}, .gpus = {}};
    sources_.amd = std::vector<amd::Gpu>{};
    for (const unsigned index : {0U, 1U}) {
      nvml::Gpu& gpu = sources_.nvml->gpus.emplace_back();
      gpu.uuid = index == 0 ? "GPU-a" : "GPU-b";
      gpu.index = gpu.minor = index;
      gpu.name = "Test";
    }
    request_.set_task_id("t");
    request_.set_container("main");
    update();
  }
  void update() {
    catalog_.refresh();
    list_.update(sources_, catalog_);
  }
  void grant(const std::string& id, std::int64_t share = 1000, std::int64_t memory = 0,
             const std::string& container = "main") {
    v1::DeviceGrant& grant = *request_.add_grants();
    grant.set_container(container);
    grant.set_device_id(id);
    grant.set_share_milli(share);
    grant.set_memory_mib(memory);
  }
  v1::OciEdits edits() {
    auto made = prepare(request_, list_, catalog_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : v1::OciEdits();
  }
  sdk::Error refusal() {
    const auto made = prepare(request_, list_, catalog_);
    return made ? sdk::fail(BERTH_OK, "accepted") : made.error();
  }
  static std::vector<std::string> nodes(const v1::OciEdits& edits) {
    std::vector<std::string> out;
    for (const auto& node : edits.device_nodes()) out.push_back(node.path());
    return out;
  }

  test::Room room_;
  cdi::Catalog catalog_{{(room_.path / "cdi").string()}};
  Sources sources_;
  DeviceList list_{Config()};
  v1::PrepareRequest request_;
};

TEST_F(PrepareTest, GivesExactlyTheDevicesGrantedAndWhatTheirFileHasForAllOfThemOnce) {
  grant("GPU-b");
  const v1::OciEdits one = edits();
  EXPECT_THAT(nodes(one), ElementsAre("/dev/nvidiactl", "/dev/nvidia1"));
  EXPECT_THAT(one.env(), ElementsAre("NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_EQ(one.mounts_size(), 1);
  EXPECT_EQ(one.hooks_size(), 1);
  grant("GPU-a");
  const v1::OciEdits both = edits();
  EXPECT_THAT(nodes(both), ElementsAre("/dev/nvidiactl", "/dev/nvidia1", "/dev/nvidia0"));
  EXPECT_EQ(both.mounts_size(), 1);
  EXPECT_EQ(both.hooks_size(), 1);
}

TEST_F(PrepareTest, GivesNothingToAContainerWithoutGrantsAndNoneOfAnothers) {
  EXPECT_EQ(edits().ByteSizeLong(), 0U);
  grant("GPU-a", 1000, 0, "sidecar");
  EXPECT_EQ(edits().ByteSizeLong(), 0U);
}

TEST_F(PrepareTest, RefusesWhatIsNotThereOrNotHealthyByName) {
  grant("GPU-x");
  EXPECT_EQ(refusal().status, BERTH_NOT_FOUND);
  EXPECT_EQ(refusal().field, "grants[0].device_id");
  EXPECT_EQ(refusal().message, "GPU GPU-x: this host has no such device");
  request_.clear_grants();
  sources_.nvml->gpus[0].fault = "it is in flames";
  update();
  grant("GPU-b");
  grant("GPU-a");
  EXPECT_EQ(refusal().status, BERTH_PRECONDITION);
  EXPECT_EQ(refusal().field, "grants[1].device_id");
  EXPECT_EQ(refusal().message, "GPU GPU-a: it is in flames");
}

TEST_F(PrepareTest, SaysWhichFileIsMissingWhereADeviceCannotBeInjectedAnyMore) {
  std::filesystem::remove(room_.path / "cdi/nvidia.yaml");
  update();
  grant("GPU-a");
  EXPECT_EQ(refusal().status, BERTH_PRECONDITION);
  EXPECT_THAT(refusal().message, HasSubstr("describes it as a nvidia.com/gpu"));
}

TEST_F(PrepareTest, TellsAProgramItsShareOfADeviceThatOthersUseToo) {
  grant("GPU-a", 333, 2048);
  EXPECT_THAT(edits().env(),
              ElementsAre("NVIDIA_VISIBLE_DEVICES=void", "BERTH_GPU_SHARE_MILLI=GPU-a=333",
                          "BERTH_GPU_MEMORY_MIB=GPU-a=2048", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=33",
                          "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=2048M"));
}

TEST_F(PrepareTest, SetsNoLimitsOfOneProcessForSeveralDevices) {
  grant("GPU-a", 5, 0);
  EXPECT_THAT(edits().env(),
              ElementsAre("NVIDIA_VISIBLE_DEVICES=void", "BERTH_GPU_SHARE_MILLI=GPU-a=5",
                          "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=1"));
  grant("GPU-b", 0, 512);
  EXPECT_THAT(edits().env(),
              ElementsAre("NVIDIA_VISIBLE_DEVICES=void", "BERTH_GPU_SHARE_MILLI=GPU-a=5",
                          "BERTH_GPU_MEMORY_MIB=GPU-b=512"));
}

TEST_F(PrepareTest, GivesAmdsNodesWhereNoFileDescribesThem) {
  amd::Gpu gpu;
  gpu.id = "GPU-1";
  gpu.card = "card0";
  gpu.render = "renderD128";
  sources_.amd = std::vector{gpu};
  update();
  grant("GPU-1", 500, 0);
  const v1::OciEdits made = edits();
  EXPECT_THAT(nodes(made), ElementsAre("/dev/kfd", "/dev/dri/card0", "/dev/dri/renderD128"));
  EXPECT_THAT(made.env(), ElementsAre("BERTH_GPU_SHARE_MILLI=GPU-1=500"));
  EXPECT_THAT(made.mounts(), IsEmpty());
}

}  // namespace
}  // namespace berth::gpu
