// SPDX-License-Identifier: Apache-2.0
// Containers whose network an operator's CNI list makes.
#include "sdk/runtime/network/netlink.hpp"
#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ContainersByCni : public testing::Probe {
 protected:
  void configure(TasksConfig& config) override {
    const fs::path list = place_.data_dir().parent_path() / "list.conflist";
    std::ofstream(list)
        << R"({"cniVersion":"1.0.0","name":"listed","plugins":[{"type":"bridge","bridge":")"
        << bridge() << R"(","isGateway":true,"ipam":{"type":"host-local","dataDir":")"
        << leases().string() << R"(","ranges":[[{"subnet":"10.231.9.0/24"}]],)"
        << R"("routes":[{"dst":"0.0.0.0/0"}]},"dns":{"nameservers":["10.231.9.53"]}}]})";
    config.cni = list;
  }
  void TearDown() override {
    Probe::TearDown();
    EXPECT_THAT(given_out(), IsEmpty());
    // It stays, as with every runtime: the next container wants it.
    if (!fs::exists("/sys/class/net/" + bridge())) return;
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink);
    EXPECT_TRUE(netlink->remove_link(bridge()));
  }
  [[nodiscard]] std::string bridge() const { return place_.name() + "c"; }
  [[nodiscard]] fs::path leases() const { return place_.data_dir().parent_path() / "leases"; }
  [[nodiscard]] std::vector<std::string> given_out() const {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(leases() / "listed", error)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("10.")) out.push_back(name);
    }
    return out;
  }
};

TEST_P(ContainersByCni, HaveItsAddressAndItsNameserver) {
  const auto sight = sees(request());
  EXPECT_TRUE(has(sight.at("interfaces"), "eth0"));
  EXPECT_THAT(text(sight, "hosts"), HasSubstr("10.231.9."));
  EXPECT_THAT(text(sight, "resolv"), HasSubstr("nameserver 10.231.9.53\n"));
  EXPECT_FALSE(fs::exists("/sys/class/net/" + place_.name())) << "no bridge of the agent's own";
}

TEST_P(ContainersByCni, AreRefusedPortsWhereNoPluginPublishesThem) {
  auto task = request();
  container(task).add_port_mappings()->set_container_port(80);
  EXPECT_THAT(run(task).containers(0).reason(),
              StartsWith("ContainerNetworkingError: no plugin of the CNI list listed has the "
                         "capability portMappings"));
}

TEST_P(ContainersByCni, KeepItWhereTheAgentStartsAgainWithoutTheList) {
  auto task = request({{.name = "web", .stop_timeout = 2}});
  tries(task, 0, {"hold"});
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  EXPECT_EQ(given_out().size(), 1U);
  tasks_.reset();
  TasksConfig config = place_.config();
  config.runtime = GetParam();
  auto tasks = Tasks::open(config, {.report =
                                        [this](const v1::TaskReport& report) {
                                          const std::lock_guard lock(mutex_);
                                          reports_[report.task_id()].push_back(report);
                                          moved_.notify_all();
                                        },
                                    .registry = *access_});
  ASSERT_TRUE(tasks) << tasks.error().message;
  tasks_ = std::move(*tasks);
  EXPECT_EQ(given_out().size(), 1U);
  stop();
  ASSERT_TRUE(stopped());
}

INSTANTIATE_TEST_SUITE_P(By, ContainersByCni, ::testing::Values("crun"));

}  // namespace
}  // namespace berth::runtime
