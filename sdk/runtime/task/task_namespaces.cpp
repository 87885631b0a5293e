// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_namespaces.hpp"

#include <system_error>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/oci/capabilities.hpp"
#include "sdk/runtime/options/container_options.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

constexpr std::uint64_t kHolderMemory = 16ull << 20;

}  // namespace

Result<ContainerSpec> TaskNamespaces::holder_spec(const v1::StartTaskRequest& task,
                                                  const std::string& task_cgroup) const {
  const fs::path directory = config_.tasks_dir / task.task_id() / "namespaces";
  std::error_code error;
  fs::create_directories(directory / "root", error);
  if (error) return sdk::fail(BERTH_INTERNAL, directory.string() + ": " + error.message());
  ContainerSpec spec;
  spec.id = holder_id(task.task_id());
  spec.bundle_dir = directory / "bundle";
  spec.rootfs = directory / "root";
  spec.args = {"/berth-init", "--pause"};
  // No name of a container's: they have no dots.
  spec.cgroup_path = task_cgroup + "/.namespaces";
  spec.memory_limit = kHolderMemory;
  spec.log.path = directory / "log";
  spec.hostname = "namespaces";
  spec.own_network = true;
  spec.options.rights.drop = capabilities::kAll;
  spec.options.rights.no_new_privileges = true;
  spec.options.shm.source = SharedMemory::Source::None;
  spec.options.sysctls = options::task_sysctls(task.definition());
  spec.options.mounts = {{.destination = "/berth-init",
                          .source = config_.init_program,
                          .type = "bind",
                          .options = {"bind", "rprivate", "ro"}}};
  return spec;
}

Result<ContainerHandle> TaskNamespaces::ensure_holder(const v1::StartTaskRequest& task,
                                                      const std::string& task_cgroup) {
  const std::string id = holder_id(task.task_id());
  const std::lock_guard lock(mutexes_[std::hash<std::string>{}(id) % mutexes_.size()]);
  const auto found = runtime_.inspect(id);
  if (found && found->phase == ContainerPhase::Running) return found->handle;
  if (!found && found.error().status != BERTH_NOT_FOUND) return found.error();
  // A half-made one, or one that was killed: and with it all that shared its processes.
  if (found) {
    if (auto removed = runtime_.remove(id); !removed) return removed.error();
  }
  const auto spec = holder_spec(task, task_cgroup);
  if (!spec) return spec.error();
  auto created = runtime_.create(*spec);
  if (!created) return created.error();
  BERTH_FAILPOINT("task.after_namespaces");
  if (auto started = runtime_.start(id); !started) return started.error();
  return *created;
}

Result<void> TaskNamespaces::join(const v1::StartTaskRequest& task, const std::string& task_cgroup,
                                  ContainerOptions& options) {
  if (options.shm.source == SharedMemory::Source::Directory) {
    auto shm =
        volumes_.acquire_tmpfs(task.task_id(), "shm", options::task_shm_bytes(task.definition()));
    if (!shm) return shm.error();
    options.shm.directory = *shm;
  }
  if (options.pid.sharing != Sharing::Given && options.ipc.sharing != Sharing::Given) return {};
  const auto holder = ensure_holder(task, task_cgroup);
  if (!holder) return holder.error();
  const std::string ns = "/proc/" + std::to_string(holder->pid) + "/ns/";
  if (options.pid.sharing == Sharing::Given) options.pid.path = ns + "pid";
  if (options.ipc.sharing == Sharing::Given) options.ipc.path = ns + "ipc";
  return {};
}

Result<void> TaskNamespaces::remove(const std::string& task_id) {
  const std::string id = holder_id(task_id);
  const std::lock_guard lock(mutexes_[std::hash<std::string>{}(id) % mutexes_.size()]);
  return runtime_.remove(id);
}

}  // namespace berth::runtime
