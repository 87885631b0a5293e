// SPDX-License-Identifier: Apache-2.0
// Volumes as containers see them, and what is left of them on the host.
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/sdk/runtime/probe_fixture.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ContainerVolumes : public testing::Probe {
 protected:
  void TearDown() override {
    Probe::TearDown();
    EXPECT_THAT(names(place_.data_dir() / "volumes/task"), ::testing::IsEmpty());
  }
  static v1::ecs::Volume& volume(v1::StartTaskRequest& task, const char* name) {
    auto& out = *task.mutable_definition()->add_volumes();
    out.set_name(name);
    return out;
  }
  static void mount_at(v1::StartTaskRequest& task, int i, const char* name, const char* path,
                       bool read_only = false) {
    auto& point = *container(task, i).add_mount_points();
    point.set_source_volume(name);
    point.set_container_path(path);
    if (read_only) point.set_read_only(true);
  }
  static std::vector<std::string> names(const fs::path& directory) {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error))
      out.push_back(entry.path().filename());
    return out;
  }
  static std::string slurp(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // First a writer that ends well, then a reader; both mount the volume at /data.
  v1::StartTaskRequest writer_and_reader() {
    auto task = request({{.name = "reader", .needs = {{"writer", "SUCCESS"}}},
                         {.name = "writer", .essential = false}});
    tries(task, 0, {"read=/data/note"});
    tries(task, 1, {"write=/data/note"});
    mount_at(task, 0, "data", "/data");
    mount_at(task, 1, "data", "/data");
    return task;
  }
};

TEST_P(ContainerVolumes, AreTheHostsDirectoryMadeWhereItIsMissing) {
  const fs::path source = place_.data_dir() / "outside/made";
  auto task = request();
  volume(task, "data").mutable_host()->set_source_path(source);
  volume(task, "locked").mutable_host()->set_source_path(source);
  mount_at(task, 0, "data", "/data");
  mount_at(task, 0, "locked", "/locked", true);
  tries(task, 0, {"write=/data/note", "write=/locked/note", "read=/locked/note"});
  const auto sight = sees(task);
  EXPECT_EQ(tried(sight, "write=/data/note"), "ok");
  EXPECT_THAT(tried(sight, "write=/locked/note"), HasSubstr("Read-only"));
  EXPECT_EQ(tried(sight, "read=/locked/note"), "probe\n");
  EXPECT_EQ(slurp(source / "note"), "probe\n") << "it stays";
}

TEST_P(ContainerVolumes, AreOneFileOfTheHost) {
  const fs::path source = place_.data_dir() / "one-file";
  std::ofstream(source) << "config\n";
  auto task = request();
  volume(task, "data").mutable_host()->set_source_path(source);
  mount_at(task, 0, "data", "/etc/one-file", true);
  tries(task, 0, {"read=/etc/one-file"});
  EXPECT_EQ(tried(sees(task), "read=/etc/one-file"), "config\n");
}

TEST_P(ContainerVolumes, AreSharedByTheTaskAndVanishWithIt) {
  auto task = writer_and_reader();
  volume(task, "data").mutable_host();
  EXPECT_EQ(tried(sees(task), "read=/data/note"), "probe\n");
  EXPECT_THAT(names(place_.data_dir() / "volumes/task"), ::testing::IsEmpty());
  EXPECT_THAT(names(place_.data_dir() / "volumes/shared"), ::testing::IsEmpty());
}

TEST_P(ContainerVolumes, OfScopeTaskVanishWithIt) {
  auto task = writer_and_reader();
  auto& docker = *volume(task, "data").mutable_docker_volume_configuration();
  docker.set_scope("task");
  docker.set_driver("local");
  EXPECT_EQ(tried(sees(task), "read=/data/note"), "probe\n");
  EXPECT_THAT(names(place_.data_dir() / "volumes/task"), ::testing::IsEmpty());
}

TEST_P(ContainerVolumes, OfScopeSharedStayForOtherTasks) {
  auto task = writer_and_reader();
  auto& docker = *volume(task, "data").mutable_docker_volume_configuration();
  docker.set_scope("shared");
  EXPECT_THAT(run(task).containers(1).reason(),
              HasSubstr("CannotCreateVolumeError: there is no volume 'data'"))
      << "without autoprovision";
  docker.set_autoprovision(true);
  (*docker.mutable_labels())["team"] = "blue";
  task.set_task_id(testing::kOtherTask);
  EXPECT_EQ(tried(sees(task), "read=/data/note"), "probe\n");
  auto later = request({{.name = "web"}}, "22222222222222222222222222222222");
  volume(later, "data").mutable_docker_volume_configuration()->set_scope("shared");
  mount_at(later, 0, "data", "/data", true);
  tries(later, 0, {"read=/data/note"});
  EXPECT_EQ(tried(sees(later), "read=/data/note"), "probe\n");
  EXPECT_THAT(slurp(place_.data_dir() / "volumes/shared/data/labels"), HasSubstr("team=blue"));
  EXPECT_THAT(names(place_.data_dir() / "volumes/shared/data/holders"), ::testing::IsEmpty());
}

TEST_P(ContainerVolumes, AreMountedAsTheirDriverOptionsSay) {
  auto task = writer_and_reader();
  auto& docker = *volume(task, "data").mutable_docker_volume_configuration();
  docker.set_scope("shared");
  docker.set_autoprovision(true);
  auto& options = *docker.mutable_driver_opts();
  options["type"] = "tmpfs";
  options["device"] = "tmpfs";
  options["o"] = "size=3m,mode=0750,noexec";
  container(task, 0).add_command("stat=/data");
  const auto sight = sees(task);
  // In a sandbox all that comes from the host comes by 9p.
  EXPECT_THAT(mount(sight, "/data"), StartsWith(sandboxed() ? "9p rw,noexec" : "tmpfs rw,noexec"));
  EXPECT_THAT(mount(sight, "/data"), HasSubstr(sandboxed() ? "9p" : "size=3072k"));
  EXPECT_EQ(tried(sight, "stat=/data"), "750 0:0");
  EXPECT_EQ(tried(sight, "read=/data/note"), "probe\n") << "one mount for both containers";
  auto other = request({{.name = "web"}}, testing::kOtherTask);
  auto& differs = *volume(other, "data").mutable_docker_volume_configuration();
  differs.set_scope("shared");
  (*differs.mutable_driver_opts())["type"] = "tmpfs";
  (*differs.mutable_driver_opts())["device"] = "tmpfs";
  mount_at(other, 0, "data", "/data");
  EXPECT_THAT(run(other).containers(0).reason(),
              HasSubstr("exists on this host with other driver options"));
}

TEST_P(ContainerVolumes, HoldWhatTheImageHasWhereTheyAreEmpty) {
  auto task = request();
  volume(task, "data").mutable_host();
  mount_at(task, 0, "data", "/seeded");
  tries(task, 0,
        {"stat=/seeded", "stat=/seeded/file", "read=/seeded/link", "read=/seeded/again",
         "read=/seeded/deep/leaf", "write=/seeded/new"});
  const auto sight = sees(task);
  EXPECT_EQ(tried(sight, "stat=/seeded"), "750 0:0");
  EXPECT_EQ(tried(sight, "stat=/seeded/file"), "640 1234:1234");
  EXPECT_EQ(tried(sight, "read=/seeded/link"), "seed\n");
  EXPECT_EQ(tried(sight, "read=/seeded/again"), "seed\n");
  EXPECT_EQ(tried(sight, "read=/seeded/deep/leaf"), "leaf\n");
  EXPECT_EQ(tried(sight, "write=/seeded/new"), "ok");
}

TEST_P(ContainerVolumes, AreMadeForTheVolumesOfAnImage) {
  auto task = request(
      {{.name = "other", .needs = {{"web", "SUCCESS"}}}, {.name = "web", .essential = false}});
  container(task, 1).set_image(image("volumes"));
  container(task, 1).set_readonly_root_filesystem(true);
  tries(task, 1, {"read=/seeded/file", "write=/seeded/file", "write=/fresh/note"});
  container(task, 0).add_volumes_from()->set_source_container("web");
  tries(task, 0, {"read=/seeded/file", "read=/fresh/note"});
  const auto sight = sees(task);
  EXPECT_EQ(tried(sight, "read=/seeded/file"), "seed\nprobe\n");
  EXPECT_EQ(tried(sight, "read=/fresh/note"), "probe\n") << "also once the other has gone";
  const auto first = seen("web");
  EXPECT_EQ(tried(first, "read=/seeded/file"), "seed\n");
  EXPECT_EQ(tried(first, "write=/fresh/note"), "ok");
}

TEST_P(ContainerVolumes, ComeFromAnotherContainerWaitingForIt) {
  auto task =
      request({{.name = "taker"}, {.name = "giver", .essential = false, .stop_timeout = 1}});
  volume(task, "data").mutable_host();
  mount_at(task, 1, "data", "/data");
  tries(task, 1, {"hold"});
  auto& from = *container(task, 0).add_volumes_from();
  from.set_source_container("giver");
  from.set_read_only(true);
  tries(task, 0, {"write=/data/note"});
  const auto sight = sees(task);
  EXPECT_NE(mount(sight, "/data"), "(none)");
  EXPECT_THAT(tried(sight, "write=/data/note"), HasSubstr("Read-only"));
}

TEST_P(ContainerVolumes, AreMountedOuterFirst) {
  auto task = request();
  volume(task, "inner").mutable_host();
  volume(task, "outer").mutable_host();
  mount_at(task, 0, "inner", "/data/below");
  mount_at(task, 0, "outer", "/data");
  tries(task, 0, {"write=/data/below/x", "write=/data/y"});
  const auto sight = sees(task);
  EXPECT_NE(mount(sight, "/data/below"), "(none)");
  EXPECT_EQ(tried(sight, "write=/data/below/x"), "ok");
}

TEST_P(ContainerVolumes, AreRefusedWherePathsClimb) {
  auto task = request();
  volume(task, "data").mutable_host()->set_source_path("/srv/../etc");
  EXPECT_EQ(refused(task), "volumes[0].host.sourcePath");
  auto relative = request();
  volume(relative, "data").mutable_host()->set_source_path("srv");
  EXPECT_EQ(refused(relative), "volumes[0].host.sourcePath");
  auto target = request();
  volume(target, "data").mutable_host();
  for (const char* path : {"/data/../..", "data", "/", "/a\nb"}) {
    container(target).clear_mount_points();
    mount_at(target, 0, "data", path);
    EXPECT_EQ(refused(target), "containerDefinitions[0].mountPoints[0].containerPath") << path;
  }
  auto name = request();
  volume(name, "../x").mutable_host();
  EXPECT_EQ(refused(name), "volumes[0].name");
}

TEST_P(ContainerVolumes, OfOtherServicesAreRefusedByName) {
  auto task = request();
  volume(task, "data").mutable_efs_volume_configuration()->set_file_system_id("fs-1");
  EXPECT_EQ(refused(task), "volumes[0].efsVolumeConfiguration");
  auto fsx = request();
  volume(fsx, "data")
      .mutable_fsx_windows_file_server_volume_configuration()
      ->set_file_system_id("fs-1");
  EXPECT_EQ(refused(fsx), "volumes[0].fsxWindowsFileServerVolumeConfiguration");
  auto s3 = request();
  volume(s3, "data").mutable_s3files_volume_configuration()->set_file_system_arn("arn");
  EXPECT_EQ(refused(s3), "volumes[0].s3filesVolumeConfiguration");
  auto later = request();
  volume(later, "data").set_configured_at_launch(true);
  EXPECT_EQ(refused(later), "volumes[0].configuredAtLaunch");
  auto plugin = request();
  volume(plugin, "data").mutable_docker_volume_configuration()->set_driver("rexray");
  EXPECT_EQ(refused(plugin), "volumes[0].dockerVolumeConfiguration.driver");
}

INSTANTIATE_TEST_SUITE_P(By, ContainerVolumes, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
