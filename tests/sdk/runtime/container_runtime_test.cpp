// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/container_runtime.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <sstream>

#include "sdk/runtime/oci/spec_builder.hpp"
#include "tests/sdk/runtime/container_fixture.hpp"

namespace berth::runtime::test {
namespace {

bool runs(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const auto end = stat.rfind(')');
  return end != std::string::npos && stat.substr(end, 3) != ") Z";
}

// As where the process has as many open as it may.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class Containers : public ContainerTest {
 protected:
  bool kill_monitor(const ContainerHandle& container) {
    berth::test::HostEvents end;
    end.watch_end(container.monitor_pid);
    ::kill(container.monitor_pid, SIGKILL);
    return end.until([&] { return !runtime_->inspect(container.id)->monitor_alive; });
  }
};

class ContainersByRuntime : public Containers, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Containers::SetUp();
    runtime_ = open_runtime(GetParam());
    ASSERT_TRUE(runtime_);
  }
};

TEST_F(Containers, TellsTheExitCodeOfTheProgram) {
  const auto exit = run(spec("one", "exit 3"));
  EXPECT_EQ(exit.exit_code, 3);
  EXPECT_EQ(exit.signal, 0);
  EXPECT_FALSE(exit.oom_killed());
  EXPECT_GT(exit.started_at_ns, 0);
  EXPECT_GE(exit.finished_at_ns, exit.started_at_ns);
}

TEST_F(Containers, RunsNothingBeforeStart) {
  auto one = spec("one", "echo ran");
  ASSERT_TRUE(runtime_->create(one));
  auto view = runtime_->inspect("one");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->phase, ContainerPhase::Created);
  EXPECT_TRUE(view->monitor_alive);
  EXPECT_EQ(log("one"), "");
  ASSERT_TRUE(runtime_->start("one"));
  EXPECT_EQ(wait("one").exit_code, 0);
  EXPECT_NE(log("one").find("ran"), std::string::npos);
}

TEST_F(Containers, StartsAProgramOnceHoweverOftenItIsAsked) {
  ASSERT_TRUE(runtime_->create(spec("one", "echo ran; sleep 100")));
  auto first = runtime_->start("one");
  auto second = runtime_->start("one");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  ASSERT_TRUE(logged("one", "ran"));
  ASSERT_TRUE(runtime_->signal("one", SIGKILL));
  EXPECT_EQ(wait("one").exit_code, 137);
  EXPECT_EQ(*runtime_->start("one"), *first);
  EXPECT_EQ(log("one").find("ran"), log("one").rfind("ran"));
}

TEST_F(Containers, TellsSignalsApart) {
  ASSERT_TRUE(runtime_->create(
      spec("one", "trap 'exit 7' USR1; echo up; while :; do sleep 1 & wait; done")));
  ASSERT_TRUE(runtime_->start("one"));
  ASSERT_TRUE(logged("one", "up"));
  ASSERT_TRUE(runtime_->signal("one", SIGUSR1));
  EXPECT_EQ(wait("one").exit_code, 7);

  // pid 1 hears no signal that it does not ask for: SIGTERM ends it only through a handler.
  ASSERT_TRUE(runtime_->create(
      spec("two", "trap 'exit 143' TERM; echo up; while :; do sleep 1 & wait; done")));
  ASSERT_TRUE(runtime_->start("two"));
  ASSERT_TRUE(logged("two", "up"));
  ASSERT_TRUE(runtime_->signal("two", SIGTERM));
  EXPECT_EQ(wait("two").exit_code, 143);
}

TEST_F(Containers, EndsOnlyBySigkillWhereSigtermIsIgnored) {
  ASSERT_TRUE(runtime_->create(spec("one", "trap '' TERM; echo up; sleep 1000")));
  ASSERT_TRUE(runtime_->start("one"));
  ASSERT_TRUE(logged("one", "up"));
  ASSERT_TRUE(runtime_->signal("one", SIGTERM));
  auto watch = runtime_->watch("one");
  ASSERT_TRUE(watch);
  EXPECT_EQ(watch->wait(300ms).error().status, BERTH_DEADLINE);
  ASSERT_TRUE(runtime_->signal("one", SIGKILL));
  const auto exit = watch->wait(10s);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->exit_code, 137);
  EXPECT_EQ(exit->signal, SIGKILL);
  EXPECT_FALSE(exit->oom_killed());
  EXPECT_TRUE(runtime_->signal("one", SIGTERM)) << "a signal to one that has ended is no error";
}

TEST_F(Containers, TellsAnOutOfMemoryKillApart) {
  auto one = spec("one", "exec dd if=/dev/zero of=/dev/null bs=256M count=1");
  one.memory_limit = 32 << 20;
  const auto exit = run(one);
  EXPECT_EQ(exit.exit_code, 137);
  EXPECT_TRUE(exit.oom_killed());
}

TEST_F(Containers, TellsAnOutOfMemoryKillByTheTasksLimit) {
  auto cgroups = Cgroups::open();
  ASSERT_TRUE(cgroups);
  TaskLimits limits;
  limits.memory_bytes = 32 << 20;
  ASSERT_TRUE(cgroups->make_task("/" + mark_, limits));
  ASSERT_TRUE(runtime_->create(spec("bystander", "sleep 1000")));
  ASSERT_TRUE(runtime_->start("bystander"));
  EXPECT_TRUE(run(spec("eater", "exec dd if=/dev/zero of=/dev/null bs=256M count=1")).oom_killed());
  ASSERT_TRUE(runtime_->signal("bystander", SIGKILL));
  EXPECT_FALSE(wait("bystander").oom_killed());
}

TEST_P(ContainersByRuntime, AreHeldToTheirTasksCpuTogether) {
  auto cgroups = Cgroups::open();
  ASSERT_TRUE(cgroups);
  TaskLimits limits;
  limits.cpu_units = 512;
  ASSERT_TRUE(cgroups->make_task("/" + mark_, limits));
  ASSERT_TRUE(runtime_->create(spec("one", "sleep 1000")));
  ASSERT_TRUE(runtime_->start("one"));
  long quota = 0;
  long period = 0;
  if (fs::exists("/sys/fs/cgroup/cpu")) {
    quota = std::stol(slurp("/sys/fs/cgroup/cpu/" + mark_ + "/cpu.cfs_quota_us"));
    period = std::stol(slurp("/sys/fs/cgroup/cpu/" + mark_ + "/cpu.cfs_period_us"));
  } else {
    std::istringstream(slurp("/sys/fs/cgroup/" + mark_ + "/cpu.max")) >> quota >> period;
  }
  EXPECT_GT(period, 0);
  EXPECT_EQ(quota, period / 2) << "half of a vCPU";
  ASSERT_TRUE(runtime_->signal("one", SIGKILL));
  wait("one");
}

TEST_F(Containers, KeepsOutputOfBothStreamsAndSplitsLongLines) {
  run(spec("one",
           "echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; printf last"));
  const auto text = log("one");
  EXPECT_NE(text.find(R"({"log":"out\n","stream":"stdout","time":")"), std::string::npos);
  EXPECT_NE(text.find(R"({"log":"err\n","stream":"stderr","time":")"), std::string::npos);
  EXPECT_NE(text.find(R"({"log":"last","stream":"stdout")"), std::string::npos);
  EXPECT_NE(text.find(R"({"log":")" + std::string(16384, 'x') + R"(","stream")"),
            std::string::npos);
  EXPECT_NE(text.find(R"({"log":")" + std::string(40000 - 2 * 16384, 'x') + R"(\n","stream")"),
            std::string::npos);
}

TEST_P(ContainersByRuntime, RotatesItsLog) {
  auto one = spec("one", "seq 1 5000");
  one.log.max_bytes = 64 * 1024;
  one.log.max_files = 3;
  run(one);
  EXPECT_LE(fs::file_size(one.log.path), one.log.max_bytes);
  EXPECT_LE(fs::file_size(one.log.path + ".1"), one.log.max_bytes);
  EXPECT_TRUE(fs::exists(one.log.path + ".2"));
  EXPECT_FALSE(fs::exists(one.log.path + ".3"));
  EXPECT_NE(log("one").find("\"5000\\n\""), std::string::npos);
}

TEST_F(Containers, SaysWhyAProgramCannotBeStarted) {
  auto one = spec("one", "");
  one.args = {"/no/such/program"};
  const auto created = runtime_->create(one);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().reason, "CannotStartContainerError");
  EXPECT_TRUE(created.error().message.starts_with("CannotStartContainerError: crun: "))
      << created.error().message;
  EXPECT_NE(created.error().message.find("/no/such/program"), std::string::npos)
      << created.error().message;
  EXPECT_TRUE(runtime_->list()->empty());
}

TEST_F(Containers, RefusesWhatNoRuntimeCouldRun) {
  auto one = spec("../x", "true");
  EXPECT_EQ(runtime_->create(one).error().field, "id");
  one = spec("one", "true");
  one.args.clear();
  const auto refused = runtime_->create(one);
  EXPECT_EQ(refused.error().status, BERTH_INVALID);
  EXPECT_EQ(refused.error().reason, "CannotCreateContainerError");
  ASSERT_TRUE(runtime_->create(spec("one", "true")));
  EXPECT_EQ(runtime_->create(spec("one", "true")).error().status, BERTH_ALREADY_EXISTS);
}

TEST_F(Containers, GivesUserDirectoryHostnameAndEnvironment) {
  auto one = spec("one", "id -u; id -g; pwd; hostname; echo $COLOUR; grep Cap /proc/self/status");
  one.uid = 1000;
  one.gid = 2000;
  one.cwd = "/tmp";
  one.env.emplace_back("COLOUR=blue");
  EXPECT_EQ(run(one).exit_code, 0);
  const auto text = log("one");
  for (const char* line : {"\"1000\\n\"", "\"2000\\n\"", "\"/tmp\\n\"", "\"box\\n\"", "\"blue\\n\"",
                           "CapEff:\\t0000000000000000", "CapInh:\\t0000000000000000"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " in " << text;
  }
}

TEST_F(Containers, RefusesWhatTheProfileForbids) {
  auto one =
      spec("one",
           "unshare -m true; echo rc $?; mount -t tmpfs x /tmp; echo rc $?; touch /x; echo rc $?");
  one.readonly_rootfs = true;
  run(one);
  EXPECT_EQ(log("one").find("rc 0"), std::string::npos) << log("one");
  EXPECT_NE(log("one").find("rc 1"), std::string::npos) << log("one");
}

TEST_F(Containers, HaveDockersPrivilegesAndNoDescriptorOfOurs) {
  // What the agent holds must not reach a program; this one is handed on by a careless spawn.
  const int ours = ::open("/etc/hostname", O_RDONLY);
  ASSERT_GE(::fcntl(ours, F_DUPFD, 50), 50);
  run(spec(
      "one",
      "echo fds $(ls /proc/self/fd); grep -E '^(CapEff|CapPrm|CapBnd|CapInh|CapAmb|Seccomp):' "
      "/proc/self/status;"
      "mknod /tmp/disk b 8 0; dd if=/tmp/disk of=/dev/null count=1 2>&1 | grep -c 'not permitted';"
      "echo interrupts $(cat /proc/interrupts); (echo x > /proc/sys/kernel/hostname) 2>&1;"
      "touch /sys/x 2>&1"));
  for (int fd = 50; fd < 60; ++fd) ::close(fd);
  ::close(ours);
  const std::string text = log("one");
  const auto has = [&](const std::string& words) { return text.find(words) != std::string::npos; };
  EXPECT_TRUE(has("fds 0 1 2 3\\n")) << "3 is ls's own: " << text;
  const auto host = HostAbilities::detect();
  char caps[32];
  std::snprintf(caps, sizeof caps, "%016llx",
                0xa80425fbull & static_cast<unsigned long long>(host.bounding_caps));
  for (const char* set : {"CapEff:\\t", "CapPrm:\\t", "CapBnd:\\t"})
    EXPECT_TRUE(has(set + std::string(caps))) << text;
  for (const char* set : {"CapInh:\\t", "CapAmb:\\t"})
    EXPECT_TRUE(has(set + std::string(16, '0'))) << text;
  EXPECT_TRUE(has("Seccomp:\\t2")) << text;
  EXPECT_TRUE(has("{\"log\":\"1\\n\"")) << "a disk's node opens nothing: " << text;
  EXPECT_TRUE(has("interrupts\\n")) << text;
  for (const char* path : {"/proc/sys/kernel/hostname", "/sys/x"}) {
    EXPECT_TRUE(has(std::string(path) + ": Read-only file system")) << text;
  }
}

TEST_F(Containers, LimitsProcessesAndShares) {
  auto one = spec("one", "sleep 1000");
  one.cpu_shares = 1;
  one.pids_limit = 7;
  one.memory_limit = 64 << 20;
  ASSERT_TRUE(runtime_->create(one));
  ASSERT_TRUE(runtime_->start("one"));
  auto usage = Cgroups::open()->usage(one.cgroup_path);
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->memory_limit_bytes, 64u << 20);
  EXPECT_GE(usage->pids, 1u);
  if (fs::exists("/sys/fs/cgroup/cpu")) {
    EXPECT_EQ(slurp("/sys/fs/cgroup/cpu" + one.cgroup_path + "/cpu.shares"), "2\n");
    EXPECT_EQ(slurp("/sys/fs/cgroup/pids" + one.cgroup_path + "/pids.max"), "7\n");
  }
}

TEST_F(Containers, OutlivesTheProcessThatMadeIt) {
  const pid_t agent = ::fork();
  if (agent == 0) {
    auto runtime = open_runtime("crun");
    const bool good =
        runtime->create(spec(
            "one", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 1 & wait; done")) &&
        runtime->start("one");
    if (!good) ::_exit(1);
    for (;;) ::pause();
  }
  ASSERT_TRUE(logged("one", "up"));
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);

  auto view = runtime_->inspect("one");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->phase, ContainerPhase::Running);
  EXPECT_TRUE(view->monitor_alive);
  EXPECT_GT(view->started_at_ns, 0);
  ASSERT_TRUE(runtime_->signal("one", SIGTERM));
  EXPECT_EQ(wait("one").exit_code, 5);
  EXPECT_NE(log("one").find("bye"), std::string::npos);
}

TEST_F(Containers, OutliveTheCgroupThatAServiceManagerMadeForTheAgent) {
  std::vector<std::string> units;
  for (const char* hierarchy :
       {"/sys/fs/cgroup/systemd/", "/sys/fs/cgroup/unified/", "/sys/fs/cgroup/"}) {
    if (fs::exists(hierarchy + std::string("cgroup.procs")))
      units.push_back(hierarchy + mark_ + ".service");
  }
  ASSERT_FALSE(units.empty());
  for (const auto& unit : units) fs::create_directory(unit);
  const pid_t agent = ::fork();
  if (agent == 0) {
    for (const auto& unit : units)
      std::ofstream(unit + "/cgroup.procs") << ::getpid() << std::flush;
    auto runtime = open_runtime("crun");
    const bool good =
        runtime && runtime->create(spec("one", "sleep 1000")) && runtime->start("one");
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(agent, &status, 0), agent);
  EXPECT_EQ(status, 0);
  const auto left = [&] {
    std::string all;
    for (const auto& unit : units) all += slurp(unit + "/cgroup.procs");
    return all;
  };
  // The monitor has a child move it, which is the last one there.
  berth::test::HostEvents ends;
  std::istringstream pids(left());
  for (pid_t pid = 0; pids >> pid;) ends.watch_end(pid);
  EXPECT_TRUE(ends.until([&] { return left().empty(); })) << left();
  auto view = runtime_->inspect("one");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->phase, ContainerPhase::Running);
  EXPECT_TRUE(view->monitor_alive);
  EXPECT_TRUE(runtime_->remove("one"));
  for (const auto& unit : units) EXPECT_EQ(::rmdir(unit.c_str()), 0) << unit;
  auto cgroups = Cgroups::open();
  ASSERT_TRUE(cgroups);
  cgroups->remove_escapes();
  EXPECT_FALSE(fs::exists("/sys/fs/cgroup/unified/berth.monitors"));
}

TEST_F(Containers, AreSeenToEndEvenWithoutTheirMonitor) {
  auto created = runtime_->create(spec("one", "sleep 1000"));
  ASSERT_TRUE(created);
  ASSERT_TRUE(runtime_->start("one"));
  auto watch = runtime_->watch("one");
  ASSERT_TRUE(watch);
  ASSERT_TRUE(kill_monitor(*created));
  EXPECT_EQ(runtime_->inspect("one")->phase, ContainerPhase::Running);
  ASSERT_TRUE(watch->poll());
  ASSERT_TRUE(runtime_->signal("one", SIGKILL));
  const auto exit = watch->wait(10s);
  ASSERT_TRUE(exit) << exit.error().message;
  EXPECT_EQ(exit->exit_code, std::nullopt);
  ASSERT_TRUE(runtime_->remove("one"));
}

TEST_F(Containers, AreRemovedWholeWhenTheirMonitorIsGone) {
  auto created = runtime_->create(spec("one", "sleep 1000"));
  ASSERT_TRUE(created);
  ASSERT_TRUE(runtime_->start("one"));
  ASSERT_TRUE(kill_monitor(*created));
  berth::test::HostEvents end;
  end.watch_end(created->pid);
  auto removed = runtime_->remove("one");
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_TRUE(runtime_->list()->empty());
  EXPECT_TRUE(end.until([&] { return !runs(created->pid); }));
}

TEST_F(Containers, AreNotTakenForGoneWhereNoDescriptorIsLeft) {
  const auto created = runtime_->create(spec("one", "sleep 1000"));
  ASSERT_TRUE(created);
  ASSERT_TRUE(runtime_->start("one"));
  auto watch = runtime_->watch("one");
  ASSERT_TRUE(watch);
  const auto cannot_tell = [](const auto& result) { return !result && result.error().status == BERTH_UNAVAILABLE; };
  {
    const NoDescriptors none;
    EXPECT_TRUE(cannot_tell(runtime_->inspect("one")));
    EXPECT_TRUE(cannot_tell(runtime_->watch("one")));
    EXPECT_TRUE(cannot_tell(runtime_->signal("one", SIGTERM)));
    EXPECT_FALSE(runtime_->remove("one"));
  }
  EXPECT_EQ(runtime_->inspect("one")->phase, ContainerPhase::Running);
  ::kill(created->pid, SIGKILL);
  pollfd ended{watch->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 30'000), 1);
  {
    const NoDescriptors none;
    EXPECT_TRUE(cannot_tell(watch->poll()));
  }
  const auto exit = watch->wait(10s);
  ASSERT_TRUE(exit) << exit.error().message;
  EXPECT_EQ(exit->exit_code, 137);
}

// As a power cut leaves it: the directory has the file's name, the file lost its content.
// A root of its own for the calling process, in which nothing is the host's but what the runtime works on.
bool enter_jail(const fs::path& dir) {
  const fs::path jail = dir / "jail";
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  for (const fs::path& place : {dir, fs::path("/proc"), fs::path("/sys")}) {
    const fs::path inside = jail / place.relative_path();
    std::error_code error;
    fs::create_directories(inside, error);
    if (::mount(place.c_str(), inside.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  }
  return ::chroot(jail.c_str()) == 0 && ::chdir("/") == 0;
}

TEST_F(Containers, WithAnEmptyRecordAreRemovedAndNothingElseIs) {
  fs::create_directories(dir_ / "state/containers/one");
  std::ofstream(dir_ / "state/containers/one/container").flush();
  const pid_t child = ::fork();
  if (child == 0) {
    // The empty bundle's configuration would be this file of the host's.
    const fs::path others = "/config.json";
    if (!enter_jail(dir_)) ::_exit(2);
    std::ofstream(others) << "{}";
    if (!runtime_->remove("one")) ::_exit(3);
    ::_exit(fs::exists(others) ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "exit code " << WEXITSTATUS(status);
  EXPECT_FALSE(fs::exists(dir_ / "state/containers/one"));
}

TEST_F(Containers, AreNotAllRemovedForWantOfAName) {
  ASSERT_TRUE(runtime_->create(spec("one", "sleep 1000")));
  ASSERT_TRUE(runtime_->start("one"));
  const auto refused = Cgroups::open()->remove("/" + mark_ + "/", 2s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, BERTH_INVALID);
  EXPECT_EQ(runtime_->inspect("one")->phase, ContainerPhase::Running);
}

TEST_F(Containers, AreRemovedWhileTheyRunAndBeforeTheyRan) {
  ASSERT_TRUE(runtime_->create(spec("one", "sleep 1000")));
  ASSERT_TRUE(runtime_->create(spec("two", "sleep 1000")));
  ASSERT_TRUE(runtime_->start("one"));
  EXPECT_TRUE(runtime_->remove("one"));
  EXPECT_TRUE(runtime_->remove("two"));
  EXPECT_TRUE(runtime_->remove("two"));
  EXPECT_EQ(runtime_->inspect("one").error().status, BERTH_NOT_FOUND);
  EXPECT_FALSE(fs::exists(dir_ / "bundles/one"));
}

TEST_F(Containers, RunWithRuncToo) {
  runtime_ = open_runtime("runc");
  ASSERT_TRUE(runtime_);
  EXPECT_TRUE(runtime_->version().starts_with("runc ")) << runtime_->version();
  EXPECT_EQ(run(spec("one", "echo up; exit 4")).exit_code, 4);
  EXPECT_NE(log("one").find("up"), std::string::npos);
  auto two = spec("two", "");
  two.args = {"/no/such/program"};
  EXPECT_NE(runtime_->create(two).error().message.find("/no/such/program"), std::string::npos);
}

TEST_F(Containers, RunWithRunscToo) {
  runtime_ = open_runtime("runsc");
  ASSERT_TRUE(runtime_);
  EXPECT_TRUE(runtime_->sandboxed());
  EXPECT_TRUE(runtime_->version().starts_with("runsc ")) << runtime_->version();
  auto one = spec("one", "echo up; exit 4");
  one.memory_limit = 256 << 20;
  EXPECT_EQ(run(one).exit_code, 4);
  EXPECT_NE(log("one").find("up"), std::string::npos);

  auto two = spec("two", "");
  two.args = {"/no/such/program"};
  const auto created = runtime_->create(two);
  const auto started = created ? runtime_->start("two") : sdk::Result<std::int64_t>(created.error());
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("/no/such/program"), std::string::npos) << started.error().message;

  ASSERT_TRUE(runtime_->create(spec("three", "trap 'exit 9' TERM; echo ready; while true; do sleep 0.1; done")));
  ASSERT_TRUE(runtime_->start("three"));
  ASSERT_TRUE(logged("three", "ready"));
  const auto checked = runtime_->exec("three", {.args = {"/bin/sh", "-c", "echo well; exit 3"}, .timeout = 30s});
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->exit_code, 3);
  EXPECT_EQ(checked->output, "well\n");
  const auto slow = runtime_->exec("three", {.args = {"/bin/sleep", "4321"}, .timeout = 2s});
  ASSERT_TRUE(slow) << slow.error().message;
  EXPECT_TRUE(slow->timed_out);
  const auto look = runtime_->exec("three", {.args = {"/bin/sh", "-c", "cat /proc/[0-9]*/cmdline"}, .timeout = 30s});
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ(look->output.find("4321"), std::string::npos) << "the check that took too long goes on";
  EXPECT_TRUE(runtime_->signal("three", SIGTERM));
  EXPECT_EQ(wait("three").exit_code, 9);

  ASSERT_TRUE(runtime_->create(spec("four", "sleep 1000")));
  ASSERT_TRUE(runtime_->start("four"));
  EXPECT_TRUE(runtime_->remove("four"));
  EXPECT_EQ(runtime_->inspect("four").error().status, BERTH_NOT_FOUND);
}

TEST_F(Containers, OfASandboxWhoseMonitorWasKilledAreRemovedWhole) {
  runtime_ = open_runtime("runsc");
  ASSERT_TRUE(runtime_);
  const auto created = runtime_->create(spec("one", "sleep 1000"));
  ASSERT_TRUE(created) << created.error().message;
  ASSERT_TRUE(runtime_->start("one"));
  berth::test::HostEvents ends;
  ends.watch_end(created->monitor_pid);
  ::kill(created->monitor_pid, SIGKILL);
  ASSERT_TRUE(ends.until([&] { return !runtime_->inspect("one")->monitor_alive; }));
  EXPECT_EQ(runtime_->inspect("one")->phase, ContainerPhase::Running);
  const auto removed = runtime_->remove("one");
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(fs::exists(dir_ / "bundles/one"));
}

INSTANTIATE_TEST_SUITE_P(By, ContainersByRuntime, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime::test
