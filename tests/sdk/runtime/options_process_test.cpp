// SPDX-License-Identifier: Apache-2.0
// What a container's program is and may do, as it sees it itself.
#include <linux/capability.h>
#include <sys/resource.h>

#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ContainerProcess : public testing::Probe {
 protected:
  static std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }
  static std::uint64_t own_caps() {
    std::ifstream file("/proc/self/status");
    std::string word;
    while (file >> word) {
      if (word == "CapBnd:") break;
    }
    file >> word;
    return std::stoull(word, nullptr, 16);
  }
  // Those that this kernel has.
  static std::vector<std::string> masked_files() {
    std::vector<std::string> out;
    for (const char* file : {"/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/timer_list"}) {
      if (::access(file, R_OK) == 0) out.emplace_back(file);
    }
    EXPECT_FALSE(out.empty());
    return out;
  }
  // Of the container's cgroup, as it sees them. A sandbox shows none of them inside, so there they
  // are read where the host keeps them, while it runs.
  json::object limits(v1::StartTaskRequest task) {
    if (!sandboxed()) return sees(task).at("cgroup").as_object();
    task.set_task_id(testing::kOtherTask);
    container(task).add_command("hold");
    for (auto& changes : *task.mutable_overrides()->mutable_container_overrides()) {
      changes.add_command("hold");
    }
    EXPECT_TRUE(tasks_->start(task));
    EXPECT_TRUE(seen("web", testing::kOtherTask).at("cgroup").as_object().empty());
    json::object out;
    for (const std::string name :
         {"memory.max", "memory.low", "cpu.weight", "memory/memory.limit_in_bytes",
          "memory/memory.soft_limit_in_bytes", "cpu/cpu.shares"}) {
      const auto slash = name.find('/') + 1;
      std::ifstream file("/sys/fs/cgroup/" + name.substr(0, slash) + place_.name() + "/" +
                         testing::kOtherTask + "/web/" + name.substr(slash));
      std::string value;
      if (file >> value) out[name] = value;
    }
    return out;
  }
  void ulimit(v1::StartTaskRequest& task, const char* name, int soft, int hard) {
    auto& limit = *container(task).add_ulimits();
    limit.set_name(name);
    limit.set_soft_limit(soft);
    limit.set_hard_limit(hard);
  }
};

TEST_P(ContainerProcess, RunsAsTheDefinitionSays) {
  auto task = request();
  auto& web = container(task);
  web.clear_command();
  web.add_entry_point("/probe");
  web.add_entry_point("own=entry");
  web.add_command("own=command");
  web.set_user("app");
  web.set_working_directory("/tmp");
  auto* pair = web.add_environment();
  pair->set_name("A");
  pair->set_value("b");
  const auto sight = sees(task);
  EXPECT_EQ(json::serialize(sight.at("args")), R"(["/probe","own=entry","own=command"])");
  EXPECT_EQ(sight.at("uid"), 1234);
  EXPECT_EQ(sight.at("gid"), 1234);
  EXPECT_EQ(text(sight, "cwd"), "/tmp");
  EXPECT_TRUE(has(sight.at("env"), "A=b"));
  EXPECT_TRUE(has(sight.at("env"), "FROM_IMAGE=yes"));
  EXPECT_TRUE(has(sight.at("env"), "HOME=/home/app"));
  EXPECT_EQ(caps(sight, "CapEff"), 0U);
}

TEST_P(ContainerProcess, IsOverriddenByTheCall) {
  auto task = request();
  auto* defined = container(task).add_environment();
  defined->set_name("A");
  defined->set_value("definition");
  container(task).add_command("own=definition");
  auto& changes = *task.mutable_overrides()->add_container_overrides();
  changes.set_name("web");
  changes.add_command("own=override");
  changes.set_cpu(512);
  changes.set_memory(96);
  changes.set_memory_reservation(48);
  auto* pair = changes.add_environment();
  pair->set_name("A");
  pair->set_value("override");
  const auto sight = sees(task);
  EXPECT_EQ(json::serialize(sight.at("args")), R"(["/probe","own=override"])");
  EXPECT_TRUE(has(sight.at("env"), "A=override"));
  auto again = task;
  again.set_task_id(testing::kOtherTask);
  const json::value cgroup = limits(again);
  if (cgroup.as_object().contains("cpu.weight")) {
    EXPECT_EQ(text(cgroup, "memory.max"), std::to_string(96 << 20));
    EXPECT_EQ(text(cgroup, "memory.low"), std::to_string(48 << 20));
    EXPECT_EQ(text(cgroup, "cpu.weight"), "59");
  } else {
    EXPECT_EQ(text(cgroup, "memory/memory.limit_in_bytes"), std::to_string(96 << 20));
    EXPECT_EQ(text(cgroup, "memory/memory.soft_limit_in_bytes"), std::to_string(48 << 20));
    EXPECT_EQ(text(cgroup, "cpu/cpu.shares"), "512");
  }
}

TEST_P(ContainerProcess, IsLimitedByCpuAndMemoryOfItsDefinition) {
  auto task = request();
  container(task).set_cpu(256);
  container(task).set_memory_reservation(32);
  const json::value cgroup = limits(task);
  if (cgroup.as_object().contains("cpu.weight")) {
    EXPECT_EQ(text(cgroup, "memory.max"), std::to_string(64 << 20));
    EXPECT_EQ(text(cgroup, "cpu.weight"), "35");
  } else {
    EXPECT_EQ(text(cgroup, "memory/memory.limit_in_bytes"), std::to_string(64 << 20));
    EXPECT_EQ(text(cgroup, "memory/memory.soft_limit_in_bytes"), std::to_string(32 << 20));
    EXPECT_EQ(text(cgroup, "cpu/cpu.shares"), "256");
  }
}

TEST_P(ContainerProcess, HasTheUlimitsThatItAsksFor) {
  auto task = request();
  ulimit(task, "nofile", 1000, 2000);
  ulimit(task, "core", 0, 0);
  ulimit(task, "nproc", 77, 88);
  ulimit(task, "stack", 1 << 20, 1 << 21);
  ulimit(task, "msgqueue", 100, 200);
  const auto sight = sees(task);
  EXPECT_EQ(text(sight.at("limits"), "nofile"), "1000:2000");
  EXPECT_EQ(text(sight.at("limits"), "core"), "0:0");
  EXPECT_EQ(text(sight.at("limits"), "nproc"), "77:88");
  EXPECT_EQ(text(sight.at("limits"), "stack"), "1048576:2097152");
  EXPECT_EQ(text(sight.at("limits"), "msgqueue"), "100:200");
}

TEST_P(ContainerProcess, GetsNoHigherUlimitThanTheAgentMayGiveAndIsToldSo) {
  auto task = request();
  ulimit(task, "nofile", -1, -1);
  tries(task, 0, {"hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto running = reached(v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(running);
  ASSERT_EQ(running->phase(), v1::TASK_PHASE_RUNNING) << running->stopped_reason();
  EXPECT_THAT(running->containers(0).reason(),
              AllOf(StartsWith("ulimit nofile: unlimited lowered to "),
                    HasSubstr("the agent's own limit")));
  const std::string limit = text(seen("web").at("limits"), "nofile");
  EXPECT_GT(std::stoll(limit), 0) << limit;
  EXPECT_THAT(running->containers(0).reason(),
              HasSubstr("to " + limit.substr(limit.find(':') + 1) + ","));
}

TEST_P(ContainerProcess, HasDockersCapabilitiesAndThoseAddedLessThoseDropped) {
  auto task = request();
  auto& changes = *container(task).mutable_linux_parameters()->mutable_capabilities();
  changes.add_add("SYS_PTRACE");
  changes.add_add("CAP_NET_ADMIN");
  changes.add_drop("CHOWN");
  const auto sight = sees(task);
  const auto effective = caps(sight, "CapEff");
  EXPECT_TRUE(effective & bit(CAP_SYS_PTRACE));
  EXPECT_TRUE(effective & bit(CAP_NET_ADMIN));
  EXPECT_TRUE(effective & bit(CAP_KILL));
  EXPECT_FALSE(effective & bit(CAP_CHOWN));
  EXPECT_FALSE(effective & bit(CAP_SYS_ADMIN));
  EXPECT_EQ(caps(sight, "CapInh"), 0U);
  EXPECT_EQ(caps(sight, "CapBnd"), effective);
}

TEST_P(ContainerProcess, LosesAllCapabilitiesButThoseAdded) {
  auto task = request();
  auto& changes = *container(task).mutable_linux_parameters()->mutable_capabilities();
  changes.add_add("NET_BIND_SERVICE");
  changes.add_drop("ALL");
  EXPECT_EQ(caps(sees(task), "CapEff"), bit(CAP_NET_BIND_SERVICE));
}

TEST_P(ContainerProcess, GetsAllCapabilitiesThatTheAgentHas) {
  auto task = request();
  auto& changes = *container(task).mutable_linux_parameters()->mutable_capabilities();
  changes.add_add("ALL");
  changes.add_drop("SYS_BOOT");
  // gVisor's kernel has those up to this one.
  const auto known = sandboxed() ? bit(CAP_AUDIT_READ + 1) - 1 : ~std::uint64_t{0};
  EXPECT_EQ(caps(sees(task), "CapEff"), own_caps() & known & ~bit(CAP_SYS_BOOT));
}

TEST_P(ContainerProcess, MayDoAllThatTheAgentMayWherePrivileged) {
  auto task = request();
  container(task).set_privileged(true);
  if (sandboxed()) {
    EXPECT_EQ(refused(task), "containerDefinitions[0].privileged");
    return;
  }
  tries(task, 0, {"mknod=/dev/made", "write=/proc/sys/net/ipv4/ip_forward"});
  const auto sight = sees(task);
  EXPECT_EQ(caps(sight, "CapEff"), own_caps());
  EXPECT_EQ(text(sight.at("status"), "Seccomp"), "0");
  EXPECT_THAT(mount(sight, "/sys"), HasSubstr("rw"));
  for (const std::string& file : masked_files()) EXPECT_EQ(mount(sight, file), "(none)");
  EXPECT_EQ(mount(sight, "/proc/sys"), "(none)");
  EXPECT_EQ(tried(sight, "mknod=/dev/made"), "ok");
  for (const char* device : {"/dev/loop-control", "/dev/kmsg", "/dev/fuse"}) {
    if (::access(device, F_OK) != 0) continue;
    EXPECT_TRUE(sight.at("devices").as_object().contains(device)) << device;
  }
}

TEST_P(ContainerProcess, IsConfinedWhereItIsNotPrivileged) {
  auto task = request();
  tries(task, 0, {"write=/proc/sys/net/ipv4/ip_forward"});
  for (const std::string& file : masked_files()) container(task).add_command("read=" + file);
  const auto sight = sees(task);
  // The container's system calls are gVisor's, and the profile is its sandbox's own.
  EXPECT_EQ(text(sight.at("status"), "Seccomp"), sandboxed() ? "0" : "2");
  EXPECT_EQ(text(sight.at("status"), "NoNewPrivs"), sandboxed() ? "(none)" : "0");
  EXPECT_THAT(mount(sight, "/sys"), HasSubstr(" ro,"));
  EXPECT_THAT(tried(sight, "write=/proc/sys/net/ipv4/ip_forward"), StartsWith("error"));
  for (const std::string& file : masked_files()) {
    const std::string nothing = sandboxed() ? "error: No such file or directory" : "";
    EXPECT_EQ(tried(sight, "read=" + file), nothing) << file;
  }
  EXPECT_FALSE(sight.at("devices").as_object().contains("/dev/loop-control"));
}

TEST_P(ContainerProcess, HasTheSecurityOptionsThatItAsksFor) {
  auto task = request();
  container(task).add_docker_security_options("no-new-privileges:true");
  container(task).add_docker_security_options("seccomp=unconfined");
  const auto sight = sees(task);
  EXPECT_EQ(text(sight.at("status"), "NoNewPrivs"), sandboxed() ? "(none)" : "1");
  EXPECT_EQ(text(sight.at("status"), "Seccomp"), "0");
}

TEST_P(ContainerProcess, IsRefusedSecurityOptionsThatTheHostLacks) {
  auto task = request();
  container(task).add_docker_security_options("label:type:svirt_apache");
  EXPECT_EQ(refused(task), "containerDefinitions[0].dockerSecurityOptions");
  if (::access("/sys/module/apparmor", F_OK) == 0) GTEST_SKIP() << "this host has AppArmor";
  auto other = request({{.name = "web"}}, testing::kOtherTask);
  container(other).add_docker_security_options("apparmor:mine");
  const auto last = run(other);
  EXPECT_THAT(last.containers(0).reason(), HasSubstr("mine: this host has no AppArmor"));
}

TEST_P(ContainerProcess, HasAnInitThatReapsAndHandsSignalsOn) {
  auto task = request();
  container(task).mutable_linux_parameters()->set_init_process_enabled(true);
  tries(task, 0, {"zombie", "exit=7", "hold"});
  ASSERT_TRUE(tasks_->start(task));
  const auto sight = seen("web");
  EXPECT_GT(sight.at("pid").as_int64(), 1);
  EXPECT_THAT(text(sight, "first"), StartsWith("/sbin/docker-init"));
  EXPECT_EQ(tried(sight, "zombie"), "reaped");
  v1::StopTaskRequest stop;
  stop.set_task_id(testing::kTaskId);
  ASSERT_TRUE(tasks_->stop(stop));
  EXPECT_EQ(stopped()->containers(0).exit_code(), 7)
      << "SIGTERM reached the program, whose exit code is the container's";
}

TEST_P(ContainerProcess, IsItsOwnFirstProcessWithoutAnInit) {
  EXPECT_EQ(sees(request()).at("pid"), 1);
}

TEST_P(ContainerProcess, HasATerminalWhereItAsksForOne) {
  auto task = request();
  container(task).set_pseudo_terminal(true);
  tries(task, 0, {"stdin"});
  const auto sight = sees(task);
  EXPECT_EQ(text(sight, "terminals"), "012");
  EXPECT_EQ(tried(sight, "stdin"), "terminal");
  EXPECT_TRUE(has(sight.at("env"), "TERM=xterm"));
}

TEST_P(ContainerProcess, HasAnOpenStdinWhereInteractiveAndElseNone) {
  auto task = request();
  tries(task, 0, {"stdin"});
  const auto plain = sees(task);
  EXPECT_EQ(tried(plain, "stdin"), "ended");
  EXPECT_EQ(text(plain, "terminals"), "");
  auto open = request({{.name = "web"}}, testing::kOtherTask);
  container(open).set_interactive(true);
  tries(open, 0, {"stdin"});
  EXPECT_EQ(tried(sees(open), "stdin"), "open");
}

TEST_P(ContainerProcess, CannotWriteAReadonlyRootFileSystem) {
  auto task = request();
  container(task).set_readonly_root_filesystem(true);
  tries(task, 0, {"write=/x", "write=/dev/shm/x"});
  const auto sight = sees(task);
  EXPECT_THAT(tried(sight, "write=/x"), HasSubstr("Read-only"));
  EXPECT_EQ(tried(sight, "write=/dev/shm/x"), "ok");
}

TEST_P(ContainerProcess, MayUseSwapAsFarAsMaxSwapSays) {
  auto task = request();
  container(task).mutable_linux_parameters()->set_max_swap(32);
  container(task).mutable_linux_parameters()->set_swappiness(10);
  const auto sight = sees(task);
  const auto& cgroup = sight.at("cgroup");
  const bool v2 = cgroup.as_object().contains("cpu.weight");
  const std::string swap =
      text(cgroup, v2 ? "memory.swap.max" : "memory/memory.memsw.limit_in_bytes");
  if (swap == "(none)") GTEST_SKIP() << "this host does not account for swap";
  EXPECT_EQ(swap, std::to_string((v2 ? 32 : 96) << 20));
  if (!v2) {
    EXPECT_EQ(text(cgroup, "memory/memory.swappiness"), "10");
  }
}

TEST_P(ContainerProcess, IsForTheHostsArchitecture) {
  auto task = request();
  const std::string machine = text(sees(task), "machine");
  auto named = request({{.name = "web"}}, testing::kOtherTask);
  named.mutable_definition()->mutable_runtime_platform()->set_operating_system_family("LINUX");
  named.mutable_definition()->mutable_runtime_platform()->set_cpu_architecture(
      machine == "aarch64" ? "ARM64" : "X86_64");
  EXPECT_EQ(text(sees(named), "machine"), machine);
  auto other = request({{.name = "web"}}, "22222222222222222222222222222222");
  other.mutable_definition()->mutable_runtime_platform()->set_cpu_architecture(
      machine == "aarch64" ? "X86_64" : "ARM64");
  EXPECT_EQ(refused(other), "runtimePlatform.cpuArchitecture");
}

TEST_P(ContainerProcess, IsOfTheDigestThatItsDeploymentHoldsAndElseOfWhatTheTagIsNow) {
  const auto first = push("moving", R"({"Entrypoint":["/probe","own=first"]})");
  push("moving", R"({"Entrypoint":["/probe","own=second"]})");
  auto held = request();
  container(held).set_image(image("moving"));
  (*held.mutable_pinned_digests())["web"] = first;
  EXPECT_EQ(json::serialize(sees(held).at("args")), R"(["/probe","own=first"])");
  auto free = request({{.name = "web"}}, testing::kOtherTask);
  container(free).set_image(image("moving"));
  EXPECT_EQ(json::serialize(sees(free).at("args")), R"(["/probe","own=second"])");
}

TEST_P(ContainerProcess, IsNotCheckedByTheHealthcheckOfItsImage) {
  push("checked", R"({"Entrypoint":["/probe"],"Healthcheck":{
      "Test":["CMD","/probe","exit=1"],"Interval":1000000000,"Retries":1}})");
  auto task = request({{.name = "images", .stop_timeout = 2}, {.name = "own", .stop_timeout = 2}});
  for (int i = 0; i < 2; ++i) {
    container(task, i).set_image(image("checked"));
    tries(task, i, {"hold"});
  }
  // Due later than the image's would be.
  auto& check = *container(task, 1).mutable_health_check();
  for (const char* word : {"CMD", "/probe"}) check.add_command(word);
  check.set_interval(2);
  check.set_timeout(30);
  ASSERT_TRUE(tasks_->start(task));
  std::unique_lock lock(mutex_);
  const auto healthy = [this] {
    const auto& reports = reports_[testing::kTaskId];
    return !reports.empty() && reports.back().containers(1).health_status() == "HEALTHY";
  };
  ASSERT_TRUE(moved_.wait_for(lock, std::chrono::seconds(60), healthy));
  EXPECT_EQ(reports_[testing::kTaskId].back().containers(0).health_status(), "");
}

TEST_P(ContainerProcess, IsHeldWithAllOfItsTaskToTheCpuAndMemoryOfTheCall) {
  auto task = request();
  container(task).clear_memory();
  task.mutable_definition()->set_cpu("1024");
  task.mutable_definition()->set_memory("512");
  task.mutable_overrides()->set_cpu("512");
  task.mutable_overrides()->set_memory("256");
  tries(task, 0, {"hold"});
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_EQ(seen("web").at("pid"), 1);
  const auto limit = [this](const char* controller, const char* file) {
    const std::string task_cgroup = "/" + place_.name() + "/" + testing::kTaskId + "/";
    std::ifstream v1(std::string("/sys/fs/cgroup/") + controller + task_cgroup + file);
    std::ifstream v2(std::string("/sys/fs/cgroup") + task_cgroup + file);
    long value = -1;
    (v1 ? v1 : v2) >> value;
    return value;
  };
  const bool unified = ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
  EXPECT_EQ(limit("memory", unified ? "memory.max" : "memory.limit_in_bytes"), 256L << 20);
  EXPECT_EQ(limit("cpu", unified ? "cpu.max" : "cpu.cfs_quota_us"), 50'000)
      << "half a CPU of each 100 ms";
}

INSTANTIATE_TEST_SUITE_P(By, ContainerProcess, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
