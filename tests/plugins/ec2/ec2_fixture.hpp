// SPDX-License-Identifier: Apache-2.0
// The ec2 plugin, active in a directory of its own on a free port.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/contract/harness.hpp"

namespace berth::test {

class Ec2Test : public ::testing::Test {
 protected:
  Ec2Test() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-ec2-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(dir_ / "plugins" / "ec2");
  }
  ~Ec2Test() override {
    plugin.end();
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] v1::PluginConfig config() const {
    v1::PluginConfig config;
    config.set_data_dir(dir_ / "plugins" / "ec2");
    config.set_region("eu-west-9");
    config.set_account("000000000000");
    config.set_cluster("default");
    config.set_free_ports(true);
    config.set_port_file(dir_ / "ec2.port");
    (*config.mutable_settings())["heartbeat_ms"] = "50";
    (*config.mutable_settings())["dead_after_ms"] = "5000";
    return config;
  }
  [[nodiscard]] std::string read(const std::string& path) const {
    std::ifstream file(dir_ / path);
    std::string line;
    std::getline(file, line);
    return line;
  }
  v1::PlanResponse plan(const v1::PlanRequest& request) {
    auto response = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
    EXPECT_TRUE(response) << response.error().message;
    return response ? *response : v1::PlanResponse();
  }

  std::filesystem::path dir_;
  Harness plugin{BERTH_EC2};
};

}  // namespace berth::test
