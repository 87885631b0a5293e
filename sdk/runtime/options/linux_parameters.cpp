// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::int32_t kMostMiB = 1 << 30;

sdk::Result<void> read_devices(const v1::ecs::LinuxParameters& parameters, const std::string& field,
                               ContainerOptions& out) {
  for (int i = 0; i < parameters.devices_size(); ++i) {
    const auto& device = parameters.devices(i);
    const std::string here = at(field + "devices", i);
    DeviceRequest wish{
        .host_path = device.host_path(), .path = device.container_path(), .access = {}};
    if (wish.path.empty()) wish.path = wish.host_path;
    if (!is_plain_path(wish.host_path) || wish.host_path == "/") {
      return wrong(here + ".hostPath", "'" + wish.host_path + "' is not the path of a device.");
    }
    if (!is_plain_path(wish.path) || wish.path == "/") {
      return wrong(here + ".containerPath", "'" + wish.path + "' is not the path of a device.");
    }
    for (const std::string& permission : device.permissions()) {
      if (permission == "read")
        wish.access += 'r';
      else if (permission == "write")
        wish.access += 'w';
      else if (permission == "mknod")
        wish.access += 'm';
      else
        return wrong(here + ".permissions",
                     "The permission '" + permission + "' is none of read, write, mknod.");
    }
    if (wish.access.empty()) wish.access = "rwm";
    out.devices.push_back(std::move(wish));
  }
  return {};
}

// Those that a tmpfs takes; of ECS's words the others are about binds and their propagation.
bool is_tmpfs_flag(std::string_view word) {
  constexpr std::array<std::string_view, 22> kFlags = {
      "defaults", "ro",         "rw",          "suid",         "nosuid", "dev",
      "nodev",    "exec",       "noexec",      "sync",         "async",  "dirsync",
      "atime",    "noatime",    "diratime",    "nodiratime",   "mand",   "nomand",
      "relatime", "norelatime", "strictatime", "nostrictatime"};
  return std::find(kFlags.begin(), kFlags.end(), word) != kFlags.end();
}

bool is_tmpfs_value(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals + 1 == word.size()) return false;
  const auto key = word.substr(0, equals);
  const auto value = word.substr(equals + 1);
  if (key == "mpol")
    return value.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789:-=") ==
           std::string_view::npos;
  if (key == "mode")
    return value.size() <= 5 && value.find_first_not_of("01234567") == std::string_view::npos;
  const bool known = key == "uid" || key == "gid" || key == "nr_inodes" || key == "nr_blocks";
  return known && value.size() <= 18 &&
         value.find_first_not_of("0123456789") == std::string_view::npos;
}

sdk::Result<void> read_tmpfs(const v1::ecs::LinuxParameters& parameters, const std::string& field,
                             ContainerOptions& out) {
  for (int i = 0; i < parameters.tmpfs_size(); ++i) {
    const auto& tmpfs = parameters.tmpfs(i);
    const std::string here = at(field + "tmpfs", i);
    if (!is_plain_path(tmpfs.container_path()) || tmpfs.container_path() == "/") {
      return wrong(here + ".containerPath",
                   "'" + tmpfs.container_path() + "' is not a path to mount a tmpfs at.");
    }
    if (tmpfs.size() < 1 || tmpfs.size() > kMostMiB) {
      return wrong(here + ".size", "The size of a tmpfs is a number of MiB from 1.");
    }
    MountSpec mount{.destination = tmpfs.container_path(),
                    .source = "tmpfs",
                    .type = "tmpfs",
                    .options = {"size=" + std::to_string(tmpfs.size()) + "m"}};
    const auto& asked = tmpfs.mount_options();
    for (const std::string flag : {"exec", "suid", "dev"}) {
      // Docker's defaults. Not all runtimes let a later word win, so none that is contradicted is
      // said.
      if (std::find(asked.begin(), asked.end(), flag) == asked.end()) {
        mount.options.push_back("no" + flag);
      }
    }
    for (const std::string& option : asked) {
      if (!is_tmpfs_flag(option) && !is_tmpfs_value(option)) {
        return wrong(here + ".mountOptions", "'" + option + "' is no option of a tmpfs.");
      }
      if (option != "defaults") mount.options.push_back(option);
    }
    out.mounts.push_back(std::move(mount));
  }
  return {};
}

}  // namespace

sdk::Result<void> read_linux_parameters(const v1::ecs::TaskDefinition& task, int container,
                                        ContainerOptions& out) {
  const auto& parameters = task.container_definitions(container).linux_parameters();
  const std::string field = of_container(container, "linuxParameters.");
  if (auto read = read_devices(parameters, field, out); !read) return read;
  if (auto read = read_tmpfs(parameters, field, out); !read) return read;
  out.with_init = parameters.init_process_enabled();
  if (parameters.has_shared_memory_size()) {
    if (parameters.shared_memory_size() < 1 || parameters.shared_memory_size() > kMostMiB) {
      return wrong(field + "sharedMemorySize", "sharedMemorySize is a number of MiB from 1.");
    }
    out.shm.bytes = static_cast<std::uint64_t>(parameters.shared_memory_size()) * kMiB;
  }
  if (parameters.has_max_swap()) {
    if (parameters.max_swap() < 0) return wrong(field + "maxSwap", "maxSwap is negative.");
    out.max_swap = static_cast<std::uint64_t>(parameters.max_swap()) * kMiB;
  }
  if (parameters.has_swappiness()) {
    if (parameters.swappiness() < 0 || parameters.swappiness() > 100) {
      return wrong(field + "swappiness", "swappiness is a number from 0 to 100.");
    }
    if (!out.max_swap) return wrong(field + "swappiness", "swappiness needs maxSwap.");
    out.swappiness = static_cast<std::uint64_t>(parameters.swappiness());
  }
  return {};
}

}  // namespace berth::runtime::options
