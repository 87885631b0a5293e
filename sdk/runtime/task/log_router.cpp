// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/log_router.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/options/router_config.hpp"
#include "sdk/runtime/task/host_files.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

fs::path sockets_of(const fs::path& task_dir) {
  return task_dir / "router/sockets";
}

options::RecordFields fields_of(const v1::StartTaskRequest& task, const RouterFiles& files) {
  options::RecordFields out;
  if (!files.ec2_instance_id.empty()) out.emplace_back("ec2_instance_id", files.ec2_instance_id);
  out.emplace_back("ecs_cluster", task.cluster());
  out.emplace_back("ecs_task_arn", task.task_arn());
  out.emplace_back("ecs_task_definition",
                   task.definition().family() + ":" + std::to_string(task.definition().revision()));
  return out;
}

MountSpec mount_of(const char* destination, const fs::path& source, const char* access) {
  return {.destination = destination,
          .source = source,
          .type = "bind",
          .options = {"rbind", "rprivate", access, "nosuid", "nodev", "noexec"}};
}

}  // namespace

fs::path router_socket(const fs::path& task_dir) {
  return sockets_of(task_dir) / "fluent.sock";
}

sdk::Result<std::vector<MountSpec>> make_router_files(const v1::StartTaskRequest& task,
                                                      const options::LogRouter& router,
                                                      const RouterFiles& files) {
  const fs::path sockets = sockets_of(files.task_dir);
  if (auto made = make_directory(sockets); !made) return made.error();
  if (::chown(sockets.c_str(), files.uid, files.gid) != 0) {
    return sdk::fail(BERTH_INTERNAL, sockets.string() + ": " + std::strerror(errno));
  }
  std::vector<MountSpec> mounts = {mount_of(options::kRouterSockets, sockets, "rw")};
  const auto add = [&](const char* name, const char* destination,
                       const std::string& text) -> sdk::Result<void> {
    const fs::path path = sockets.parent_path() / name;
    mounts.push_back(mount_of(destination, path, "ro"));
    return write_file(path, text);
  };
  const std::string config =
      options::router_config(task.definition(), router, fields_of(task, files));
  auto written = add("config", options::router_config_path(router.type), config);
  if (written && files.object) {
    written = add("external", options::router_object_path(router.type), *files.object);
  }
  if (!written) return written.error();
  return mounts;
}

}  // namespace berth::runtime
