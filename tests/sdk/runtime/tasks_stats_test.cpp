// SPDX-License-Identifier: Apache-2.0
// Counters of real containers that are held back, meet their limits and write.
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime {
namespace {

using testing::kTaskId;
using testing::TasksOnHost;

class TasksStats : public TasksOnHost {
 protected:
  // A file system on a device, so that what is written goes through one wherever the tests keep
  // their files.
  TasksConfig config() override {
    TasksConfig config = place_.config();
    config.allowance.disk_gib = 1;
    return config;
  }
  // Of the task's only container, once it has said a line.
  v1::ContainerStats after_a_line(const v1::StartTaskRequest& request) {
    EXPECT_TRUE(tasks_->start(request));
    EXPECT_TRUE(logged(1)) << "it ended before";
    const auto stats = tasks_->stats(kTaskId);
    EXPECT_TRUE(stats) << stats.error().message;
    return stats && stats->size() == 1 ? stats->front() : v1::ContainerStats{};
  }
};

TEST_F(TasksStats, CountThePeriodsInWhichTheQuotaOfTheTaskHeldItBack) {
  auto task = request({{.name = "web", .stop_timeout = 0}});
  task.mutable_definition()->set_cpu("128");
  sh(task, 0, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; exec sleep 1000");
  const auto stats = after_a_line(task);
  EXPECT_GT(stats.cpu_usage_ns(), 12'800'000U) << "more than there is in a period";
  EXPECT_GT(stats.cpu_throttled_periods(), 0U);
  EXPECT_GE(stats.cpu_periods(), stats.cpu_throttled_periods());
  EXPECT_GT(stats.cpu_throttled_ns(), 0U);
}

TEST_F(TasksStats, CountWhatMetTheMemoryLimitAndWhatWasKilledForIt) {
  auto task = request({{.name = "web", .stop_timeout = 0}});
  container(task, 0).set_memory(16);
  sh(task, 0,
     "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo lives on; exec sleep 1000");
  const auto stats = after_a_line(task);
  EXPECT_EQ(stats.memory_limit_bytes(), 16U << 20U);
  EXPECT_GT(stats.memory_limit_hits(), 0U);
  EXPECT_EQ(stats.memory_failures(), 1U);
}

TEST_F(TasksStats, CountWhatWasWrittenToAVolumeOnDisk) {
  auto task = request({{.name = "web", .stop_timeout = 0}});
  task.mutable_definition()->add_volumes()->set_name("data");
  auto& point = *container(task, 0).add_mount_points();
  point.set_source_volume("data");
  point.set_container_path("/data");
  sh(task, 0,
     "dd if=/dev/zero of=/data/file bs=1M count=4 conv=fsync 2>/dev/null && echo written; exec "
     "sleep 1000");
  const auto stats = after_a_line(task);
  const bool unified = ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
  if (!unified && !stats.has_io_write_bytes())
    GTEST_SKIP() << "kernels as of 6.10 count no IO of v1 cgroups where none is throttled";
  EXPECT_GE(stats.io_write_bytes(), 4U << 20U);
}

}  // namespace
}  // namespace berth::runtime
