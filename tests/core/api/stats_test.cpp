// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/task_stats.hpp"

#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

const std::string kOne(32, '1');
const std::string kTwo(32, '2');

v1::ContainerStats stats_of(const std::string& task) {
  v1::ContainerStats stats;
  stats.set_task_id(task);
  stats.set_container("a");
  stats.mutable_at()->set_ms(1'700'000'000'500);
  stats.set_cpu_usage_ns(1'500'000'000);
  stats.set_memory_usage_bytes(4096);
  stats.set_pids(3);
  return stats;
}

class TaskStats : public ServerTest {
 protected:
  void begin() {
    start();
    register_web();
    control_.add_task(kOne, "web", TaskStatus::Running, "node-a");
    control_.add_task(kTwo, "web", TaskStatus::Running, "node-b");
    control_.add_task(std::string(32, '3'), "web", TaskStatus::Pending, "node-a");
  }
  Reply ask(const std::string& body) { return call("Berth_20261122.TaskStats", body); }
};

TEST_F(TaskStats, AreGatheredFromEveryHostThatRunsATask) {
  begin();
  *stats_.answers["node-a"].add_containers() = stats_of(kOne);
  auto full = stats_of(kTwo);
  full.set_memory_limit_bytes(1 << 20);
  full.set_io_read_bytes(5);
  full.set_net_tx_bytes(6);
  *stats_.answers["node-b"].add_containers() = full;
  const auto reply = ask("{}");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(reply.at("containers.0.taskArn"), testing::EndsWith("task/default/" + kOne));
  EXPECT_EQ(reply.at("containers.0.taskDefinition"), "web:1");
  EXPECT_EQ(reply.at("containers.0.cpuSeconds"), "1.5");
  EXPECT_EQ(reply.at("containers.0.at"), "1700000000.5");
  EXPECT_EQ(reply.at("containers.0.memoryLimitBytes"), "(absent)");
  EXPECT_EQ(reply.at("containers.0.networkSentBytes"), "(absent)");
  EXPECT_EQ(reply.at("containers.1.memoryLimitBytes"), "1048576");
  EXPECT_EQ(reply.at("containers.1.ioReadBytes"), "5");
  EXPECT_EQ(reply.at("containers.1.networkSentBytes"), "6");
  EXPECT_EQ(reply.at("failures"), "[]");
  EXPECT_EQ(stats_.asked.size(), 2U);
}

TEST_F(TaskStats, OfSomeTasksAskOnlyTheirHosts) {
  begin();
  *stats_.answers["node-b"].add_containers() = stats_of(kTwo);
  const auto reply = ask(R"({"tasks":[")" + kTwo + R"(","unknown"]})");
  EXPECT_THAT(reply.at("containers.0.taskArn"), testing::EndsWith(kTwo));
  EXPECT_EQ(reply.at("containers.1"), "(absent)");
  EXPECT_THAT(reply.at("failures.0.arn"), testing::EndsWith("task/default/unknown"));
  EXPECT_EQ(reply.at("failures.0.reason"), "MISSING");
  ASSERT_EQ(stats_.asked.size(), 1U);
  EXPECT_EQ(stats_.asked[0].task_id(), kTwo);
}

TEST_F(TaskStats, NameTheHostsThatGaveNoAnswer) {
  begin();
  *stats_.answers["node-a"].add_containers() = stats_of(kOne);
  const auto reply = ask("{}");
  EXPECT_EQ(reply.at("containers.1"), "(absent)");
  EXPECT_THAT(reply.at("failures.0.arn"), testing::EndsWith("container-instance/default/node-b"));
  EXPECT_EQ(reply.at("failures.0.detail"), "node is not connected");
}

TEST_F(TaskStats, BelieveNoHostAboutTheTasksOfAnother) {
  begin();
  *stats_.answers["node-a"].add_containers() = stats_of(kTwo);
  stats_.answers["node-b"];
  EXPECT_EQ(ask("{}").at("containers"), "[]");
}

TEST_F(TaskStats, AreRefusedWithReasons) {
  begin();
  EXPECT_EQ(ask(R"({"cluster":"other"})").at("__type"), "ClusterNotFoundException");
  EXPECT_THAT(
      ask(R"({"tasks":["arn:aws:ecs:us-east-1:000000000000:service/default/x"]})").at("message"),
      HasSubstr("Invalid"));
}

}  // namespace
}  // namespace berth::api
