// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

enum class Belongs { Network, Ipc, Host };

Belongs owner_of(std::string_view name) {
  constexpr std::array<std::string_view, 8> kIpc = {
      "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
      "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
  if (name.starts_with("net.")) return Belongs::Network;
  if (name.starts_with("fs.mqueue.")) return Belongs::Ipc;
  return std::find(kIpc.begin(), kIpc.end(), name) != kIpc.end() ? Belongs::Ipc : Belongs::Host;
}

// It becomes a path below /proc/sys.
bool is_sysctl(std::string_view name) {
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
      std::string_view::npos;
  return plain && name.size() <= 200 && name.find("..") == std::string_view::npos &&
         !name.ends_with('.');
}

sdk::Result<void> read_system_controls(const v1::ecs::TaskDefinition& task, int container,
                                       ContainerOptions& out) {
  const auto& definition = task.container_definitions(container);
  for (int i = 0; i < definition.system_controls_size(); ++i) {
    const auto& control = definition.system_controls(i);
    const std::string& name = control.namespace_();
    const std::string field = at(of_container(container, "systemControls"), i);
    const Belongs owner = owner_of(name);
    if (!is_sysctl(name) || owner == Belongs::Host) {
      return wrong(field + ".namespace",
                   "'" + name + "' is not a system control of one container's namespaces.");
    }
    if (control.value().empty() || control.value().size() > 1000 ||
        control.value().find_first_of(std::string_view("\0\n", 2)) != std::string::npos) {
      return wrong(field + ".value", "A system control needs a value of one line.");
    }
    if (owner == Belongs::Network && task.network_mode() == "host") {
      return wrong(field + ".namespace",
                   "'" + name + "' would be the host's: networkMode is host.");
    }
    if (owner == Belongs::Ipc && task.ipc_mode() == "host") {
      return wrong(field + ".namespace", "'" + name + "' would be the host's: ipcMode is host.");
    }
    if (owner == Belongs::Ipc && task.ipc_mode() == "task") continue;
    out.sysctls[name] = control.value();
  }
  return {};
}

}  // namespace

sdk::Result<void> read_namespaces(const v1::ecs::TaskDefinition& task, int container,
                                  ContainerOptions& out) {
  const std::string& pid = task.pid_mode();
  if (!pid.empty() && pid != "host" && pid != "task") {
    return wrong("pidMode", "'" + pid + "' is neither host nor task.");
  }
  const std::string& ipc = task.ipc_mode();
  if (!ipc.empty() && ipc != "host" && ipc != "task" && ipc != "none") {
    return wrong("ipcMode", "'" + ipc + "' is none of host, task, none.");
  }
  if (pid == "host") out.pid.sharing = Sharing::Host;
  if (pid == "task") out.pid.sharing = Sharing::Given;
  if (ipc == "host") {
    out.ipc.sharing = Sharing::Host;
    out.shm.source = SharedMemory::Source::Host;
  }
  if (ipc == "task") {
    out.ipc.sharing = Sharing::Given;
    out.shm.source = SharedMemory::Source::Directory;
  }
  if (ipc == "none") out.shm.source = SharedMemory::Source::None;
  return read_system_controls(task, container, out);
}

std::map<std::string, std::string> task_sysctls(const v1::ecs::TaskDefinition& task) {
  std::map<std::string, std::string> out;
  if (task.ipc_mode() != "task") return out;
  for (const auto& container : task.container_definitions()) {
    for (const auto& control : container.system_controls()) {
      if (owner_of(control.namespace_()) == Belongs::Ipc)
        out[control.namespace_()] = control.value();
    }
  }
  return out;
}

std::uint64_t task_shm_bytes(const v1::ecs::TaskDefinition& task) {
  std::uint64_t most = 0;
  for (const auto& container : task.container_definitions()) {
    const auto mib = container.linux_parameters().shared_memory_size();
    if (mib > 0) most = std::max(most, static_cast<std::uint64_t>(mib) << 20);
  }
  return most == 0 ? SharedMemory{}.bytes : most;
}

sdk::Result<ContainerOptions> read_container_options(const v1::ecs::TaskDefinition& task,
                                                     int container) {
  ContainerOptions out;
  for (const auto read : {read_rights, read_linux_parameters, read_namespaces}) {
    if (auto done = read(task, container, out); !done) return done.error();
  }
  const auto& definition = task.container_definitions(container);
  out.terminal = definition.pseudo_terminal();
  out.open_stdin = definition.interactive();
  return out;
}

}  // namespace berth::runtime::options
