// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost about user namespaces: whose ids a task's containers have on the host.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sdk/runtime/image/idmapped_mount.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/network/sysctl.hpp"
#include "sdk/runtime/oci/runtime_program.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {

using sdk::Result;

Result<void> LocalHost::open_id_ranges() {
  const IdRangeSettings& settings = config_.user_namespaces;
  const auto directory = config_.data_dir / "ids";
  if (!settings.enabled()) {
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
      if (file.path().extension() == ".tmp") continue;  // of a kill in the middle: nobody's
      return sdk::fail(BERTH_PRECONDITION,
                       "tasks with user namespaces are on this host; stop them before"
                       " user_namespaces is taken out",
                       "user_namespaces");
    }
    return {};
  }
  if (!enters_user_namespaces(runtime_->version())) {
    return sdk::fail(BERTH_PRECONDITION,
                     runtime_->version() +
                         " runs no health checks and no exec in user namespaces; take crun, or runc"
                         " from 1.3 on",
                     "user_namespaces");
  }
  // Better now than with each task.
  auto space = image::make_user_namespace({.first = settings.first, .count = settings.per_task});
  if (!space) return space.error();
  auto ranges = IdRanges::open(directory, settings);
  if (!ranges) return ranges.error();
  // What was made without has its files elsewhere, and root's.
  const auto containers = runtime_->list();
  if (!containers) return containers.error();
  for (const std::string& id : *containers) {
    const std::string task = task_of(id);
    if (!is_task_id(task) || std::filesystem::exists(directory / task)) continue;
    return sdk::fail(BERTH_PRECONDITION,
                     "task " + task + " has no user namespace; stop it before user_namespaces is set",
                     "user_namespaces");
  }
  id_ranges_ = std::move(*ranges);
  return {};
}

Result<void> LocalHost::set_network_controls(const ContainerSpec& spec) const {
  if (spec.ids.empty() || spec.netns_path.empty()) return {};
  // As for other containers, which their runtime sets them for.
  std::map<std::string, std::string> controls = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                                                 {"net.ipv4.ping_group_range", "0 2147483647"}};
  for (const auto& [name, value] : spec.options.sysctls) {
    if (name.starts_with("net.")) controls[name] = value;
  }
  auto set = in_netns(spec.netns_path, [&]() -> Result<OwnedFd> {
    for (const auto& [name, value] : controls) {
      std::string path = name;
      std::replace(path.begin(), path.end(), '.', '/');
      if (!write_sysctl(path, value.c_str())) {
        return sdk::fail(BERTH_INVALID, "the system control " + name + ": " + std::strerror(errno),
                         "systemControls");
      }
    }
    return OwnedFd();
  });
  if (!set) return set.error();
  return {};
}

}  // namespace berth::runtime
