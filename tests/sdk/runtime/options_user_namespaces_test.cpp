// SPDX-License-Identifier: Apache-2.0
// Containers with ids of their own, as they see themselves and as the host sees them.
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "sdk/runtime/oci/runtime_program.hpp"
#include "tests/sdk/runtime/probe_fixture.hpp"
#include "tests/sdk/runtime/user_namespaces.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::uint32_t kFirst = 700'000;
constexpr std::uint32_t kPerTask = 2'000;

class UserNamespaces : public testing::Probe {
 protected:
  void SetUp() override {
    if (!testing::kernel_makes_user_namespaces()) GTEST_SKIP() << "no user namespaces can be made here";
    Probe::SetUp();
  }
  void configure(TasksConfig& config) override {
    config.user_namespaces = {
        .first = kFirst, .last = kFirst + 2 * kPerTask - 1, .per_task = kPerTask};
  }
  void TearDown() override {
    if (IsSkipped()) return;
    Probe::TearDown();
    for (const auto& id : {testing::kTaskId, testing::kOtherTask}) {
      EXPECT_FALSE(fs::exists("/run/berth/" + id + "-0"));
      EXPECT_FALSE(fs::exists(place_.data_dir() / "ids" / id));
    }
    // Whoever owns it may take it from all others.
    EXPECT_EQ(owner("/dev/null"), 0U);
  }
  static std::uint32_t owner(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_uid;
  }
  static v1::ecs::Volume& volume_at_data(v1::StartTaskRequest& task) {
    auto& volume = *task.mutable_definition()->add_volumes();
    volume.set_name("data");
    auto& point = *container(task).add_mount_points();
    point.set_source_volume("data");
    point.set_container_path("/data");
    return volume;
  }
  // Runs until it is told to stop.
  v1::StartTaskRequest holding(const std::string& id) {
    auto task = request({{.name = "web", .stop_timeout = 2}}, id);
    container(task).add_command("hold");
    container(task).add_command("write=/mine");
    return task;
  }
  static std::uint32_t first_of(const json::value& sight) {
    std::istringstream words(text(sight, "uid_map"));
    std::uint32_t inside = 1;
    std::uint32_t outside = 0;
    words >> inside >> outside;
    EXPECT_EQ(inside, 0U);
    return outside;
  }
};

TEST_P(UserNamespaces, MapRootToTheRangeOfTheTask) {
  auto task = request();
  tries(task, 0,
        {"stat=/probe", "stat=/seeded/file", "write=/tmp/new", "stat=/tmp/new", "open=/dev/null",
         "open=/dev/stdout", "stdin"});
  const auto sight = sees(task);
  EXPECT_EQ(first_of(sight), kFirst);
  EXPECT_EQ(sight.at("uid"), 0);
  EXPECT_EQ(tried(sight, "stat=/probe"), "755 0:0");
  EXPECT_EQ(tried(sight, "stat=/seeded/file"), "640 1234:1234");
  EXPECT_EQ(tried(sight, "write=/tmp/new"), "ok");
  EXPECT_EQ(tried(sight, "stat=/tmp/new"), "644 0:0");
  EXPECT_EQ(tried(sight, "open=/dev/null"), "ok");
  EXPECT_EQ(tried(sight, "open=/dev/stdout"), "ok");
  EXPECT_EQ(tried(sight, "stdin"), "ended");
}

TEST_P(UserNamespaces, AreDistinctAndOwnWhatTheirContainersWrite) {
  ASSERT_TRUE(tasks_->start(holding(testing::kTaskId)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  ASSERT_TRUE(tasks_->start(holding(testing::kOtherTask)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING, testing::kOtherTask));
  std::set<std::uint32_t> owners;
  for (const auto& id : {testing::kTaskId, testing::kOtherTask}) {
    const fs::path mine = "/run/berth/" + id + "-0/mine";
    berth::test::HostEvents changes;
    changes.watch_directory(mine.parent_path());
    ASSERT_TRUE(changes.until([&] { return fs::exists(mine); }));
    owners.insert(owner(mine));
    // On the disk, too, under what the container writes.
    EXPECT_EQ(owner(place_.data_dir() / "tasks" / id / "0/fs/upper/mine"), owner(mine));
  }
  EXPECT_EQ(owners, (std::set<std::uint32_t>{kFirst, kFirst + kPerTask}));
  // A third finds no ids left.
  const std::string third = "22222222222222222222222222222222";
  auto refused = request({{.name = "web"}}, third);
  EXPECT_THAT(run(refused).containers(0).reason(),
              HasSubstr("ranges of ids of user_namespaces are taken"));
}

TEST_P(UserNamespaces, LetRootReadNoFileOfTheHostsRoot) {
  const fs::path source = place_.data_dir() / "outside";
  fs::create_directories(source);
  std::ofstream(source / "secret") << "of the host";
  fs::permissions(source / "secret", fs::perms::owner_read);
  auto task = request();
  volume_at_data(task).mutable_host()->set_source_path(source);
  tries(task, 0, {"read=/data/secret", "stat=/data/secret", "write=/data/new"});
  const auto sight = sees(task);
  EXPECT_THAT(tried(sight, "read=/data/secret"), StartsWith("error"));
  EXPECT_EQ(tried(sight, "stat=/data/secret"), "400 65534:65534");
  EXPECT_THAT(tried(sight, "write=/data/new"), StartsWith("error"));
}

TEST_P(UserNamespaces, OwnTheVolumesOfTheirTask) {
  auto task = request();
  volume_at_data(task);
  auto& seeded = *task.mutable_definition()->add_volumes();
  seeded.set_name("seeded");
  auto& point = *container(task).add_mount_points();
  point.set_source_volume("seeded");
  point.set_container_path("/seeded");
  tries(task, 0, {"stat=/data", "write=/data/new", "stat=/seeded/file", "write=/seeded/new"});
  const auto sight = sees(task);
  EXPECT_EQ(tried(sight, "stat=/data"), "755 0:0");
  EXPECT_EQ(tried(sight, "write=/data/new"), "ok");
  EXPECT_EQ(tried(sight, "stat=/seeded/file"), "640 1234:1234");
  EXPECT_EQ(tried(sight, "write=/seeded/new"), "ok");
}

TEST_P(UserNamespaces, KeepTheNetworkControlsOfOtherContainers) {
  auto task = request();
  auto& control = *container(task).add_system_controls();
  control.set_namespace_("net.core.somaxconn");
  control.set_value("99");
  container(task).set_user("1234");
  tries(task, 0, {"sysctl=net.core.somaxconn", "sysctl=net.ipv4.ip_unprivileged_port_start"});
  const auto sight = sees(task);
  EXPECT_EQ(sight.at("uid"), 1234);
  EXPECT_THAT(tried(sight, "sysctl=net.core.somaxconn"), StartsWith("99"));
  EXPECT_THAT(tried(sight, "sysctl=net.ipv4.ip_unprivileged_port_start"), StartsWith("0"));
}

TEST_P(UserNamespaces, ArePassedOnWhereTheAgentStartsAgain) {
  ASSERT_TRUE(tasks_->start(holding(testing::kTaskId)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  tasks_.reset();
  open();
  auto other = request({{.name = "web", .stop_timeout = 2}}, testing::kOtherTask);
  EXPECT_EQ(first_of(sees(other)), kFirst + kPerTask);
  stop();
  ASSERT_TRUE(stopped());
  const std::string third = "33333333333333333333333333333333";
  EXPECT_EQ(first_of(sees(request({{.name = "web"}}, third))), kFirst);
}

TEST_P(UserNamespaces, AreRefusedByNameWhatIsTheHosts) {
  auto task = request();
  container(task).set_privileged(true);
  EXPECT_EQ(refused(task), "containerDefinitions[0].privileged");
  task = request();
  task.mutable_definition()->set_network_mode("host");
  EXPECT_EQ(refused(task), "networkMode");
  task = request();
  task.mutable_definition()->set_pid_mode("host");
  EXPECT_EQ(refused(task), "pidMode");
  task = request();
  task.mutable_definition()->set_ipc_mode("task");
  EXPECT_EQ(refused(task), "ipcMode");
  task = request();
  container(task).mutable_linux_parameters()->add_devices()->set_host_path("/dev/null");
  EXPECT_EQ(refused(task), "containerDefinitions[0].linuxParameters.devices");
  task = request();
  volume_at_data(task).mutable_docker_volume_configuration()->set_scope("shared");
  EXPECT_EQ(refused(task), "volumes[0].dockerVolumeConfiguration.scope");
}

TEST_P(UserNamespaces, MayNotChangeUnderALivingTask) {
  ASSERT_TRUE(tasks_->start(holding(testing::kTaskId)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  tasks_.reset();
  TasksConfig config = place_.config();
  config.runtime = GetParam();
  auto without =
      Tasks::open(config, {.report = [](const v1::TaskReport&) {}, .registry = *access_});
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().field, "user_namespaces");
  config.user_namespaces = {
      .first = kFirst + 1, .last = kFirst + 2 * kPerTask, .per_task = kPerTask};
  auto other = Tasks::open(config, {.report = [](const v1::TaskReport&) {}, .registry = *access_});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message,
              HasSubstr("a range of ids that user_namespaces no longer holds"));
  open();
}

TEST_P(UserNamespaces, AreNotForTasksThatWereMadeWithout) {
  tasks_.reset();
  TasksConfig config = place_.config();
  config.runtime = GetParam();
  const auto open_with = [&] {
    return Tasks::open(config, {.report =
                                    [this](const v1::TaskReport& report) {
                                      const std::lock_guard lock(mutex_);
                                      reports_[report.task_id()].push_back(report);
                                      moved_.notify_all();
                                    },
                                .registry = *access_});
  };
  auto without = open_with();
  ASSERT_TRUE(without) << without.error().message;
  tasks_ = std::move(*without);
  ASSERT_TRUE(tasks_->start(holding(testing::kTaskId)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  tasks_.reset();
  configure(config);
  const auto with = open_with();
  ASSERT_FALSE(with);
  EXPECT_THAT(with.error().message, HasSubstr("has no user namespace; stop it before"));
  config.user_namespaces = {};
  auto again = open_with();
  ASSERT_TRUE(again) << again.error().message;
  tasks_ = std::move(*again);
}

TEST_P(UserNamespaces, AnExecOpensItsOutputAgain) {
  ASSERT_TRUE(tasks_->start(holding(testing::kTaskId)));
  ASSERT_TRUE(reached(v1::TASK_PHASE_RUNNING));
  v1::ExecRequest request;
  request.set_task_id(testing::kTaskId);
  request.set_container("web");
  request.add_command("/probe");
  request.add_command("write=/proc/self/fd/1");
  std::string said;
  ExecInput input;
  const auto ended = tasks_->exec(request, input,
                                  {.output =
                                       [&](v1::StreamChunk::Channel, std::string_view bytes) {
                                         said += bytes;
                                         return true;
                                       },
                                   .grant_input = [](std::uint32_t) {}},
                                  {});
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(*ended, 0);
  EXPECT_THAT(said, HasSubstr("\"write=/proc/self/fd/1\":\"ok\""));
}

INSTANTIATE_TEST_SUITE_P(By, UserNamespaces, ::testing::Values("crun"));

TEST(UserNamespacesOf, RuncBeginWhereItEntersThem) {
  EXPECT_FALSE(enters_user_namespaces("runc 1.1.5+ds1"));
  EXPECT_FALSE(enters_user_namespaces("runc 1.2.0"));
  EXPECT_TRUE(enters_user_namespaces("runc 1.3.0-rc.1"));
  EXPECT_TRUE(enters_user_namespaces("runc 2.0"));
  EXPECT_TRUE(enters_user_namespaces("crun 1.1"));
}

class UserNamespacesByRunc : public testing::Probe {};

TEST_P(UserNamespacesByRunc, AreRefusedWhereItCannotEnterThem) {
  tasks_.reset();
  TasksConfig config = place_.config();
  config.runtime = GetParam();
  const auto version = program_version(*find_program(config.runtime));
  ASSERT_TRUE(version) << version.error().message;
  if (enters_user_namespaces(*version)) GTEST_SKIP() << *version << " enters them";
  config.user_namespaces = {.first = kFirst, .last = kFirst + kPerTask - 1, .per_task = kPerTask};
  const auto tasks = Tasks::open(config, {.report = [](const v1::TaskReport&) {},
                                          .registry = *access_});
  ASSERT_FALSE(tasks);
  EXPECT_THAT(tasks.error().message, HasSubstr("take crun, or runc from 1.3 on"));
  open();
}

INSTANTIATE_TEST_SUITE_P(By, UserNamespacesByRunc, ::testing::Values("runc"));

}  // namespace
}  // namespace berth::runtime
