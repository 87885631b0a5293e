// SPDX-License-Identifier: Apache-2.0
// Namespaces, their system controls, shared memory, tmpfs and devices, as a container's program
// sees them.
#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ContainerSurroundings : public testing::Probe {
 protected:
  static std::string own(const char* kind) {
    return std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind).string();
  }
  static void control(v1::StartTaskRequest& task, int i, const char* name, const char* value) {
    auto& entry = *container(task, i).add_system_controls();
    entry.set_namespace_(name);
    entry.set_value(value);
  }
  // True, and the member at fault is checked, where a sandbox cannot have what is asked.
  bool is_refused_to_sandboxes(const v1::StartTaskRequest& task, const char* member) {
    if (!sandboxed()) return false;
    EXPECT_EQ(refused(task), member);
    return true;
  }
  static std::string ns(const json::value& sight, const char* kind) {
    return text(sight.at("namespaces"), kind);
  }
  // Two containers of which the second starts once the first runs, and both hold.
  v1::StartTaskRequest pair() {
    auto task = request({{.name = "web", .stop_timeout = 2},
                         {.name = "side", .needs = {{"web", "START"}}, .stop_timeout = 2}});
    tries(task, 0, {"hold"});
    tries(task, 1, {"hold"});
    return task;
  }
};

TEST_P(ContainerSurroundings, AreItsOwnWhereNothingIsSaid) {
  const auto task = pair();
  ASSERT_TRUE(tasks_->start(task));
  const auto web = seen("web");
  const auto side = seen("side");
  if (sandboxed()) {
    // Each is alone in a kernel of its own, whose namespaces have no numbers of the host's.
    for (const auto* sight : {&web, &side}) {
      EXPECT_EQ(sight->at("pid").as_int64(), 1);
      EXPECT_NE(ns(*sight, "pid"), own("pid"));
    }
    EXPECT_NE(text(web, "hostname"), text(side, "hostname"));
    return;
  }
  for (const char* kind : {"pid", "ipc", "mnt", "net", "uts"}) {
    EXPECT_NE(ns(web, kind), ns(side, kind)) << kind;
    EXPECT_NE(ns(web, kind), own(kind)) << kind;
  }
}

TEST_P(ContainerSurroundings, ShareProcessesOfTheTask) {
  auto task = pair();
  task.mutable_definition()->set_pid_mode("task");
  if (is_refused_to_sandboxes(task, "pidMode")) return;
  ASSERT_TRUE(tasks_->start(task));
  const auto web = seen("web");
  const auto side = seen("side");
  EXPECT_EQ(ns(web, "pid"), ns(side, "pid"));
  EXPECT_NE(ns(web, "pid"), own("pid"));
  EXPECT_NE(ns(web, "ipc"), ns(side, "ipc"));
  EXPECT_THAT(text(web, "first"), StartsWith("/berth-init"));
  EXPECT_GT(side.at("pid").as_int64(), web.at("pid").as_int64());
  stop();
  EXPECT_EQ(stopped()->containers(1).exit_code(), 137);
}

TEST_P(ContainerSurroundings, ShareProcessesOfTheHost) {
  auto task = request();
  task.mutable_definition()->set_pid_mode("host");
  if (is_refused_to_sandboxes(task, "pidMode")) return;
  tries(task, 0, {"hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto sight = seen("web");
  EXPECT_EQ(ns(sight, "pid"), own("pid"));
  EXPECT_GT(sight.at("pid").as_int64(), 1);
}

TEST_P(ContainerSurroundings, ShareIpcOfTheTaskWithItsSharedMemory) {
  auto task = pair();
  task.mutable_definition()->set_ipc_mode("task");
  if (is_refused_to_sandboxes(task, "ipcMode")) return;
  container(task, 1).mutable_linux_parameters()->set_shared_memory_size(16);
  control(task, 1, "kernel.msgmax", "4321");
  container(task, 0).clear_command();
  tries(task, 0, {"sysctl=kernel.msgmax", "hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto web = seen("web");
  const auto side = seen("side");
  EXPECT_EQ(ns(web, "ipc"), ns(side, "ipc"));
  EXPECT_NE(ns(web, "ipc"), own("ipc"));
  EXPECT_NE(ns(web, "pid"), ns(side, "pid"));
  EXPECT_EQ(tried(web, "sysctl=kernel.msgmax"), "4321\n");
  EXPECT_EQ(web.at("shm_bytes"), 16 << 20);
  EXPECT_EQ(side.at("shm_bytes"), 16 << 20);
}

TEST_P(ContainerSurroundings, SeeTheSharedMemoryThatAnotherOfTheTaskWrote) {
  auto task = request({{.name = "reader", .needs = {{"writer", "SUCCESS"}}},
                       {.name = "writer", .essential = false}});
  task.mutable_definition()->set_ipc_mode("task");
  if (is_refused_to_sandboxes(task, "ipcMode")) return;
  tries(task, 0, {"read=/dev/shm/note"});
  tries(task, 1, {"write=/dev/shm/note"});
  EXPECT_EQ(tried(sees(task), "read=/dev/shm/note"), "probe\n");
}

TEST_P(ContainerSurroundings, ShareIpcOfTheHost) {
  auto task = request();
  task.mutable_definition()->set_ipc_mode("host");
  if (is_refused_to_sandboxes(task, "ipcMode")) return;
  const auto sight = sees(task);
  EXPECT_EQ(ns(sight, "ipc"), own("ipc"));
  control(task, 0, "kernel.msgmax", "1");
  task.set_task_id(testing::kOtherTask);
  EXPECT_EQ(refused(task), "containerDefinitions[0].systemControls[0].namespace");
}

TEST_P(ContainerSurroundings, HoldNoSharedMemoryWhereIpcModeIsNone) {
  auto task = request();
  task.mutable_definition()->set_ipc_mode("none");
  const auto sight = sees(task);
  EXPECT_NE(ns(sight, "ipc"), own("ipc"));
  EXPECT_EQ(mount(sight, "/dev/shm"), "(none)");
}

TEST_P(ContainerSurroundings, HaveSystemControlsOfTheirNamespaces) {
  auto task = request();
  control(task, 0, "net.core.somaxconn", "333");
  if (is_refused_to_sandboxes(task, "containerDefinitions[0].systemControls")) return;
  control(task, 0, "kernel.shmmni", "77");
  control(task, 0, "net.ipv4.ip_unprivileged_port_start", "500");
  tries(task, 0,
        {"sysctl=net.core.somaxconn", "sysctl=kernel.shmmni",
         "sysctl=net.ipv4.ip_unprivileged_port_start"});
  const auto sight = sees(task);
  EXPECT_EQ(tried(sight, "sysctl=net.core.somaxconn"), "333\n");
  EXPECT_EQ(tried(sight, "sysctl=kernel.shmmni"), "77\n");
  EXPECT_EQ(tried(sight, "sysctl=net.ipv4.ip_unprivileged_port_start"), "500\n");
}

TEST_P(ContainerSurroundings, LeaveTheHostsSystemControlsAlone) {
  auto task = request();
  control(task, 0, "vm.swappiness", "1");
  EXPECT_EQ(refused(task), "containerDefinitions[0].systemControls[0].namespace");
  auto host = request();
  host.mutable_definition()->set_network_mode("host");
  control(host, 0, "net.core.somaxconn", "1");
  EXPECT_EQ(refused(host), "containerDefinitions[0].systemControls[0].namespace");
  auto climbing = request();
  control(climbing, 0, "net.../kernel.x", "1");
  EXPECT_EQ(refused(climbing), "containerDefinitions[0].systemControls[0].namespace");
}

TEST_P(ContainerSurroundings, HoldAsMuchSharedMemoryAsAskedFor) {
  auto task = request();
  container(task).mutable_linux_parameters()->set_shared_memory_size(7);
  EXPECT_EQ(sees(task).at("shm_bytes"), 7 << 20);
  EXPECT_EQ(sees(request({{.name = "web"}}, testing::kOtherTask)).at("shm_bytes"), 64 << 20);
}

TEST_P(ContainerSurroundings, HaveTmpfsWithItsOptions) {
  auto task = request();
  auto& tmpfs = *container(task).mutable_linux_parameters()->add_tmpfs();
  tmpfs.set_container_path("/scratch");
  tmpfs.set_size(5);
  tmpfs.add_mount_options("mode=0711");
  tmpfs.add_mount_options("uid=1234");
  tmpfs.add_mount_options("exec");
  auto& locked = *container(task).mutable_linux_parameters()->add_tmpfs();
  locked.set_container_path("/locked");
  locked.set_size(1);
  locked.add_mount_options("ro");
  tries(task, 0, {"stat=/scratch", "write=/scratch/x", "write=/locked/x"});
  const auto sight = sees(task);
  // gVisor shows the size as it was given, and no flags of its tmpfs.
  const std::string flags = sandboxed() ? "tmpfs rw" : "tmpfs rw,nosuid,nodev";
  const std::string size = sandboxed() ? "size=5m" : "size=5120k";
  EXPECT_THAT(mount(sight, "/scratch"), AllOf(StartsWith(flags), HasSubstr(size)));
  EXPECT_EQ(mount(sight, "/scratch").find("noexec"), std::string::npos);
  EXPECT_EQ(tried(sight, "stat=/scratch"), "711 1234:0");
  EXPECT_EQ(tried(sight, "write=/scratch/x"), "ok");
  EXPECT_THAT(tried(sight, "write=/locked/x"), HasSubstr("Read-only"));
}

TEST_P(ContainerSurroundings, RefuseTmpfsOptionsThatAreNone) {
  for (const char* option : {"size=9g", "bind", "mode=999", "uid=-1", "x,dev"}) {
    auto task = request();
    auto& tmpfs = *container(task).mutable_linux_parameters()->add_tmpfs();
    tmpfs.set_container_path("/scratch");
    tmpfs.set_size(5);
    tmpfs.add_mount_options(option);
    EXPECT_EQ(refused(task), "containerDefinitions[0].linuxParameters.tmpfs[0].mountOptions")
        << option;
  }
}

TEST_P(ContainerSurroundings, HoldDevicesWithTheirPermissions) {
  if (::access("/dev/fuse", F_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
  auto task = request();
  auto& device = *container(task).mutable_linux_parameters()->add_devices();
  device.set_host_path("/dev/fuse");
  if (is_refused_to_sandboxes(task, "containerDefinitions[0].linuxParameters.devices")) return;
  device.set_container_path("/dev/mine");
  auto& seen_only = *container(task).mutable_linux_parameters()->add_devices();
  seen_only.set_host_path("/dev/kmsg");
  seen_only.add_permissions("read");
  tries(task, 0, {"open=/dev/mine", "open=/dev/kmsg", "write=/dev/null"});
  const auto sight = sees(task);
  EXPECT_EQ(text(sight.at("devices"), "/dev/mine"), "c 10:229");
  EXPECT_EQ(tried(sight, "open=/dev/mine"), "ok");
  EXPECT_THAT(tried(sight, "open=/dev/kmsg"), StartsWith("error"))
      << "it may be read, and not be written";
}

TEST_P(ContainerSurroundings, RefuseWhatIsNoDevice) {
  auto task = request();
  container(task).mutable_linux_parameters()->add_devices()->set_host_path("/etc/passwd");
  if (is_refused_to_sandboxes(task, "containerDefinitions[0].linuxParameters.devices")) return;
  EXPECT_THAT(run(task).containers(0).reason(), HasSubstr("/etc/passwd is no device"));
  auto climbing = request({{.name = "web"}}, testing::kOtherTask);
  container(climbing).mutable_linux_parameters()->add_devices()->set_host_path(
      "/dev/../etc/passwd");
  EXPECT_EQ(refused(climbing), "containerDefinitions[0].linuxParameters.devices[0].hostPath");
}

INSTANTIATE_TEST_SUITE_P(By, ContainerSurroundings, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
