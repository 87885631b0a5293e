// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/volumes.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

// It becomes the name of a directory.
bool is_volume_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string_view::npos;
}

sdk::Result<void> read_docker(const v1::ecs::DockerVolumeConfiguration& docker,
                              const std::string& field, Volume& out) {
  if (!docker.driver().empty() && docker.driver() != "local") {
    return unsupported(field + ".driver", "this host has the volume driver local only.");
  }
  if (!docker.scope().empty() && docker.scope() != "task" && docker.scope() != "shared") {
    return wrong(field + ".scope", "'" + docker.scope() + "' is neither task nor shared.");
  }
  out.kind = docker.scope() == "shared" ? Volume::Kind::Shared : Volume::Kind::Task;
  if (docker.autoprovision() && out.kind != Volume::Kind::Shared) {
    return wrong(field + ".autoprovision", "autoprovision is for volumes of scope shared.");
  }
  out.autoprovision = docker.autoprovision();
  for (const auto& [key, value] : docker.driver_opts()) {
    if (key != "type" && key != "device" && key != "o") {
      return wrong(field + ".driverOpts",
                   "'" + key + "' is no option of the driver local: type, device and o are.");
    }
    if (value.size() > 1000 ||
        value.find_first_of(std::string_view("\0\n", 2)) != std::string::npos) {
      return wrong(field + ".driverOpts", "The option '" + key + "' must be one line.");
    }
    out.driver_opts[key] = value;
  }
  const bool whole = out.driver_opts.contains("type") && out.driver_opts.contains("device");
  if (!whole && !out.driver_opts.empty()) {
    return wrong(field + ".driverOpts", "The options of the driver local need type and device.");
  }
  out.labels.insert(docker.labels().begin(), docker.labels().end());
  return {};
}

sdk::Result<void> refuse_foreign(const v1::ecs::Volume& volume, const std::string& field) {
  const std::pair<const char*, bool> kinds[] = {
      {"efsVolumeConfiguration", volume.has_efs_volume_configuration()},
      {"s3filesVolumeConfiguration", volume.has_s3files_volume_configuration()},
      {"fsxWindowsFileServerVolumeConfiguration",
       volume.has_fsx_windows_file_server_volume_configuration()},
      {"configuredAtLaunch", volume.configured_at_launch()}};
  for (const auto& [name, present] : kinds) {
    if (present) {
      return unsupported(field + "." + name, "this host has bind mounts and Docker volumes only.");
    }
  }
  return {};
}

}  // namespace

sdk::Result<std::vector<Volume>> read_volumes(const v1::ecs::TaskDefinition& task) {
  std::vector<Volume> out;
  std::set<std::string> names;
  for (int i = 0; i < task.volumes_size(); ++i) {
    const auto& volume = task.volumes(i);
    const std::string field = at("volumes", i);
    if (!is_volume_name(volume.name())) {
      return wrong(field + ".name", "'" + volume.name() + "' is not the name of a volume.");
    }
    if (!names.insert(volume.name()).second) {
      return wrong(field + ".name", "Two volumes are named '" + volume.name() + "'.");
    }
    if (auto foreign = refuse_foreign(volume, field); !foreign) return foreign.error();
    Volume read;
    read.name = volume.name();
    const std::string& source = volume.host().source_path();
    if (!source.empty()) {
      if (!is_plain_path(source)) {
        return wrong(field + ".host.sourcePath",
                     "'" + source + "' is not an absolute path without '..'.");
      }
      read.kind = Volume::Kind::Bind;
      read.source_path = source;
    }
    if (volume.has_docker_volume_configuration()) {
      if (read.kind == Volume::Kind::Bind) {
        return wrong(field, "A volume is either the host's or Docker's.");
      }
      auto docker = read_docker(volume.docker_volume_configuration(),
                                field + ".dockerVolumeConfiguration", read);
      if (!docker) return docker.error();
    }
    out.push_back(std::move(read));
  }
  return out;
}

sdk::Result<std::vector<MountPoint>> read_mount_points(const v1::ecs::TaskDefinition& task,
                                                       int container) {
  std::vector<MountPoint> out;
  std::set<std::string> paths;
  const auto& definition = task.container_definitions(container);
  for (int i = 0; i < definition.mount_points_size(); ++i) {
    const auto& mount = definition.mount_points(i);
    const std::string field = at(of_container(container, "mountPoints"), i);
    const bool known =
        std::any_of(task.volumes().begin(), task.volumes().end(),
                    [&](const auto& volume) { return volume.name() == mount.source_volume(); });
    if (!known) {
      return wrong(field + ".sourceVolume", "There is no volume '" + mount.source_volume() + "'.");
    }
    if (!is_plain_path(mount.container_path()) || mount.container_path() == "/") {
      return wrong(field + ".containerPath",
                   "'" + mount.container_path() + "' is not a path to mount a volume at.");
    }
    if (!paths.insert(mount.container_path()).second) {
      return wrong(field + ".containerPath",
                   "Two volumes are mounted at " + mount.container_path() + ".");
    }
    out.push_back({mount.source_volume(), mount.container_path(), mount.read_only()});
  }
  return out;
}

sdk::Result<std::vector<VolumesFrom>> read_volumes_from(const v1::ecs::TaskDefinition& task,
                                                        int container) {
  std::vector<VolumesFrom> out;
  const auto& definition = task.container_definitions(container);
  for (int i = 0; i < definition.volumes_from_size(); ++i) {
    const auto& from = definition.volumes_from(i);
    int source = 0;
    while (source < task.container_definitions_size() &&
           task.container_definitions(source).name() != from.source_container()) {
      ++source;
    }
    if (source == task.container_definitions_size() || source == container) {
      return wrong(at(of_container(container, "volumesFrom"), i) + ".sourceContainer",
                   "There is no other container '" + from.source_container() + "'.");
    }
    out.push_back({source, from.read_only()});
  }
  return out;
}

}  // namespace berth::runtime::options
