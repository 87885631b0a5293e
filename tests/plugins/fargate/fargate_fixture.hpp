// SPDX-License-Identifier: Apache-2.0
// The fargate plugin, in a directory of its own on a free port.
#pragma once

#include <filesystem>
#include <string>

#include "tests/contract/harness.hpp"

namespace berth::test {

class FargateTest : public ::testing::Test {
 protected:
  FargateTest() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-fargate-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  ~FargateTest() override {
    plugin.end();
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] v1::PluginConfig config() const {
    v1::PluginConfig config;
    config.set_data_dir(dir_);
    config.set_region("eu-west-9");
    config.set_account("000000000000");
    config.set_cluster("default");
    config.set_free_ports(true);
    config.set_port_file(dir_ / "fargate.port");
    return config;
  }
  v1::PlanResponse plan(const v1::PlanRequest& request) {
    auto response = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
    EXPECT_TRUE(response) << response.error().message;
    return response ? *response : v1::PlanResponse();
  }

  std::filesystem::path dir_;
  Harness plugin{BERTH_FARGATE};
};

}  // namespace berth::test
