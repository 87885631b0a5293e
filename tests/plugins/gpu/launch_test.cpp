// SPDX-License-Identifier: Apache-2.0
// The control-plane role through the real table.
#include <gmock/gmock.h>

#include "core/plugins/manifest.hpp"
#include "tests/contract/harness.hpp"

namespace berth::test {
namespace {

using ::testing::ElementsAre;

class GpuLaunch : public ::testing::Test {
 protected:
  GpuLaunch() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-gpu-XXXXXX").string();
    directory = ::mkdtemp(name.data());
  }
  ~GpuLaunch() override {
    plugin.end();
    std::filesystem::remove_all(directory);
  }
  [[nodiscard]] v1::PluginConfig config() const {
    v1::PluginConfig out;
    out.set_data_dir(directory.string());
    out.set_free_ports(true);
    out.set_region("us-east-1");
    out.set_port_file((directory / "gpu.port").string());
    out.add_interfaces(std::string(plugins::kLaunch));
    return out;
  }

  std::filesystem::path directory;
  Harness plugin{BERTH_GPU};
};

TEST_F(GpuLaunch, ServesEc2BesideItsHostRole) {
  ASSERT_TRUE(plugin.begin(config()));
  std::optional<Result<v1::Manifest>> said;
  plugin.instance().describe({},
                             [&](Result<v1::Manifest> manifest) { said = std::move(manifest); });
  ASSERT_TRUE(plugin.until([&] { return said.has_value(); }));
  ASSERT_TRUE(*said) << said->error().message;
  const auto* launch = plugins::find_interface(**said, plugins::kLaunch);
  ASSERT_NE(launch, nullptr);
  EXPECT_THAT(launch->launch_types(), ElementsAre("EC2"));
  EXPECT_NE(plugins::find_interface(**said, plugins::kHost), nullptr);
}

TEST_F(GpuLaunch, BeginsAFleetAndPlansDevices) {
  plugin.activate(config());
  EXPECT_TRUE(std::filesystem::exists(directory / "gpu.port"));
  EXPECT_TRUE(std::filesystem::exists(directory / "join-token"));
  v1::PlanRequest request;
  auto& container = *request.mutable_definition()->add_container_definitions();
  container.set_name("main");
  container.set_image("web");
  container.set_memory(32);
  auto& wanted = *container.add_resource_requirements();
  wanted.set_type("GPU");
  wanted.set_value("2");
  const auto plan = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->requirement().devices_size(), 1);
  EXPECT_EQ(plan->requirement().devices(0).count(), 2);
  request.set_platform_version("LATEST");
  const auto refused = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->refusals_size(), 1);
  EXPECT_EQ(refused->refusals(0).message(),
            "The platform version must be null when specifying an EC2 launch type.");
}

TEST_F(GpuLaunch, TakesTheSettingsOfBothRoles) {
  v1::PluginConfig both = config();
  (*both.mutable_settings())["listen"] = "127.0.0.1:0";
  (*both.mutable_settings())["poll_interval_ms"] = "100";
  EXPECT_TRUE(plugin.begin(both));
  plugin.end();
  (*both.mutable_settings())["lissen"] = "x";
  const auto refused = plugin.begin(both);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("unknown key 'lissen'"));
}

}  // namespace
}  // namespace berth::test
