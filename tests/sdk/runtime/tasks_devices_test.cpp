// SPDX-License-Identifier: Apache-2.0
// What the plugins of a host do for its tasks: a scripted one with four devices.
#include "sdk/runtime/devices/host_plugins.hpp"
#include "tests/sdk/runtime/by_runtime.hpp"
#include "tests/sdk/runtime/devices/plugin_orders.hpp"
#include "tests/sdk/runtime/tasks_fixture.hpp"

namespace berth::runtime::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class TasksDevices : public TasksOnHost {
 protected:
  void SetUp() override {
    open_plugins({});
    TasksOnHost::SetUp();
    watch(true);
  }
  void TearDown() override {
    for (const auto& report : tasks_->list()) stop(report.task_id(), true);
    for (const auto& report : tasks_->list()) EXPECT_TRUE(stopped(report.task_id()));
    watch(false);
    TasksOnHost::TearDown();
    host_.reset();
  }
  void watch(bool on) {
    const std::lock_guard lock(changes_);
    watching_ = on;
  }
  void open_plugins(std::map<std::string, std::string> settings) {
    host_.reset();
    auto opened =
        HostPlugins::open({.directories = {},
                           .plugins = {{"scripted", orders_.settings(std::move(settings))}},
                           .data_dir = orders_.directory() / "data",
                           .changed = [this] {
                             const std::lock_guard lock(changes_);
                             if (watching_) look();
                           }});
    ASSERT_TRUE(opened) << opened.error().message;
    host_ = std::move(*opened);
    plugins_ = host_.get();
  }
  // As another process of the agent would.
  void reopen(std::map<std::string, std::string> settings = {}) {
    watch(false);
    tasks_.reset();
    open_plugins(std::move(settings));
    open();
    watch(true);
  }
  void look() {
    tasks_->stop_without_devices([this](const std::string& id) { return host_->loss(id); });
  }
  v1::StartTaskRequest with_devices(const std::vector<std::string>& ids,
                                    const std::string& script) {
    auto out = request({{.name = "main", .stop_timeout = 1}});
    auto& wanted = *container(out, 0).add_resource_requirements();
    wanted.set_type("GPU");
    wanted.set_value(std::to_string(ids.size()));
    for (const std::string& id : ids) {
      auto& grant = *out.mutable_allocation()->add_devices();
      grant.set_container("main");
      grant.set_device_id(id);
      grant.set_share_milli(1000);
    }
    sh(out, 0, script);
    return out;
  }

  PluginOrders orders_;
  std::mutex changes_;
  bool watching_ = false;
  std::unique_ptr<HostPlugins> host_;
};

// Nodes of all four devices, made by the container itself: the device cgroup says which it may
// open.
constexpr const char* kLook =
    "mkdir /n; i=0; for m in 229 200 237 242; do mknod /n/$i c 10 $m; "
    "(: < /n/$i) 2>&1 | grep -q 'not permitted' && echo closed $i || echo open $i; i=$((i+1)); "
    "done; "
    "echo $SCRIPTED_DEVICES; ls /dev | grep scripted; head -c 5 /scripted-driver; echo";

using TasksDevicesByRuntime = ByRuntime<TasksDevices>;

TEST_P(TasksDevicesByRuntime, AContainerHasTheDevicesThatItsTaskWasGivenAndNoOthers) {
  const auto last = run_to_end(with_devices({"dev-1", "dev-3"}, kLook));
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.containers(0).reason();
  EXPECT_THAT(log_lines({}), ElementsAre("closed 0", "open 1", "closed 2", "open 3", "dev-1,dev-3",
                                         "scripted1", "scripted3", "Linux"));
  EXPECT_THAT(orders_.journal(),
              ElementsAre(std::string("prepare ") + kTaskId + " main dev-1,dev-3",
                          std::string("release ") + kTaskId));
}

TEST_F(TasksDevices, ATaskWithoutDevicesHasNone) {
  auto plain = request({{.name = "main"}});
  sh(plain, 0, kLook);
  run_to_end(plain);
  EXPECT_THAT(log_lines({}), Contains("closed 1"));
  EXPECT_THAT(log_lines({}), Not(Contains(HasSubstr("open"))));
  EXPECT_THAT(orders_.journal(), ElementsAre()) << "nothing is asked for it";
}

TEST_F(TasksDevices, ATaskThatAsksForADeviceAndWasGivenNoneIsRefused) {
  auto none = with_devices({"dev-0"}, "true");
  none.clear_allocation();
  const auto started = tasks_->start(none);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().status, BERTH_INVALID);
  EXPECT_EQ(started.error().field, "containerDefinitions[0].resourceRequirements");
  const auto gone = tasks_->start(with_devices({"dev-9"}, "true"));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().message, "Device dev-9 is not on this host");
}

TEST_F(TasksDevices, AFailingDeviceStopsTheTaskThatHasItWithTheReason) {
  ASSERT_TRUE(tasks_->start(with_devices({"dev-2"}, "sleep 1000")));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  orders_.give("sick dev-1 not mine");
  orders_.give("sick dev-2 XID 79");
  const auto last = stopped();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->stopped_reason(), "Device dev-2 (GPU scripted) is unhealthy: XID 79");
  EXPECT_EQ(last->stop_code(), v1::STOP_CODE_TERMINATION_NOTICE);
}

TEST_F(TasksDevices, ARestartedAgentTellsItsPluginsWhatRunsAndReleasesItLater) {
  ASSERT_TRUE(tasks_->start(with_devices({"dev-0"}, "sleep 1000")));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  reopen();
  const std::string prepared = std::string("prepare ") + kTaskId + " main dev-0";
  EXPECT_THAT(orders_.journal(), ElementsAre(prepared, prepared));
  stop(kTaskId);
  ASSERT_TRUE(stopped());
  EXPECT_THAT(orders_.journal(), Contains(std::string("release ") + kTaskId));
}

TEST_F(TasksDevices, ATaskStopsAlthoughItsPluginDoesNotTakeItsDevicesBack) {
  ASSERT_TRUE(tasks_->start(with_devices({"dev-0"}, "sleep 1000")));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  orders_.give("hang release");
  stop(kTaskId, true);
  EXPECT_TRUE(orders_.called(std::string("release ") + kTaskId));
  orders_.give("go");
  EXPECT_TRUE(stopped());
}

TEST_F(TasksDevices, SurroundingsAreOnceForATaskAndForEachOfItsContainers) {
  reopen({{"surrounds", "true"}});
  auto two = request({{.name = "a"}, {.name = "b", .essential = false}});
  sh(two, 0, "echo a $SURROUNDED_BY");
  sh(two, 1, "echo b $SURROUNDED_BY");
  run_to_end(two);
  EXPECT_THAT(log_lines({}), Contains("a scripted"));
  EXPECT_THAT(orders_.journal(), ElementsAre(std::string("sandbox ") + kTaskId,
                                             std::string("sandbox_remove ") + kTaskId));
}

TEST_F(TasksDevices, StatsOfAContainerTellThoseOfItsDevices) {
  ASSERT_TRUE(tasks_->start(with_devices({"dev-0", "dev-1"}, "sleep 1000")));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  const auto stats = tasks_->stats(kTaskId);
  ASSERT_TRUE(stats) << stats.error().message;
  ASSERT_EQ(stats->size(), 1U);
  ASSERT_EQ((*stats)[0].devices_size(), 2);
  EXPECT_EQ((*stats)[0].devices(1).device_id(), "dev-1");
  EXPECT_EQ((*stats)[0].devices(1).memory_used_mib(), 256);
}

INSTANTIATE_TEST_SUITE_P(By, TasksDevicesByRuntime, ::testing::Values("crun", "runc"));

}  // namespace
}  // namespace berth::runtime::testing
