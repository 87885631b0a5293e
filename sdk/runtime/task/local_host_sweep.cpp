// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost that looks at the host when the agent starts: what belongs to no task goes, what runs is found again.
#include <spdlog/spdlog.h>

#include <charconv>
#include <filesystem>
#include <limits>

#include "sdk/runtime/image/rootfs.hpp"
#include "sdk/runtime/secrets/secret_place.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kKillTimeout{2'000};

void warn_unless(const sdk::Result<void>& result, const std::string& what) {
  if (!result) spdlog::warn("tasks: {}: {}", what, result.error().message);
}

// Of a container's directory; of another ("mounts") one that no container has.
std::size_t number_of(const fs::path& directory) {
  const std::string name = directory.filename();
  std::size_t number = std::numeric_limits<std::size_t>::max();
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace

void LocalHost::sweep(const std::vector<TaskSpecPtr>& tasks, const std::set<std::string>& with_logs) {
  std::set<std::string> live;
  std::set<std::string> task_ids;
  for (const TaskSpecPtr& task : tasks) {
    const std::string& task_id = task->request.task_id();
    task_ids.insert(task_id);
    live.insert(TaskNamespaces::holder_id(task_id));
    for (std::size_t i = 0; i < task->plan.containers.size(); ++i) live.insert(container_id(task_id, i));
  }
  if (const auto ids = runtime_->list()) {
    for (const std::string& id : *ids) {
      // What is not named as ours are (lost+found, a backup) belongs to somebody else.
      if (live.contains(id) || !is_task_id(task_of(id))) continue;
      spdlog::info("tasks: removing container {} of no task", id);
      warn_unless(runtime_->remove(id), "remove " + id);
      warn_unless(cgroups_->remove(cgroup_of(task_of(id)), kKillTimeout), "cgroup of " + id);
    }
  }
  // Before the namespaces of none go: the plugins want them.
  cni_->sweep(live, [](const std::string& complaint) { spdlog::warn("tasks: {}", complaint); });
  if (const auto swept = network_->sweep(live); !swept) {
    spdlog::warn("tasks: sweep of the network: {}", swept.error().message);
  }
  sweep_interfaces(tasks);
  for (const std::string& holder : images_->holders()) {
    if (!live.contains(holder)) images_->release(holder);
  }
  volumes_->sweep(task_ids);
  if (id_ranges_) id_ranges_->sweep(task_ids);
  sweep_files(task_ids, with_logs);
  disks_->sweep(task_ids);
  forwarder_->resume(config_.data_dir / "logs");
  find_again(tasks);
  remember_devices(tasks);
}

// Containers that ran on without us go on being served.
void LocalHost::find_again(const std::vector<TaskSpecPtr>& tasks) {
  for (const TaskSpecPtr& task : tasks) {
    for (std::size_t i = 0; i < task->plan.containers.size(); ++i) {
      const std::string id = container_id(task->request.task_id(), i);
      const auto view = runtime_->inspect(id);
      if (!view || view->phase == ContainerPhase::Stopped) continue;
      const auto image = images_->held(id);
      auto endpoint = attach(*task, i);
      if (!image || !endpoint) continue;
      if (auto served = identity_->attach(task->request, i, *endpoint, *image, view->created_at_ns / 1'000'000);
          !served) {
        spdlog::warn("tasks: endpoints of container {}: {}", id, served.error().message);
      }
      if (view->started_at_ns != 0) {
        identity_->started(task->request.task_id(), i, view->started_at_ns / 1'000'000);
      }
    }
  }
}

void LocalHost::sweep_files(const std::set<std::string>& task_ids, const std::set<std::string>& with_logs) {
  std::error_code error;
  for (const auto& task : fs::directory_iterator(config_.data_dir / "tasks", error)) {
    if (task_ids.contains(task.path().filename())) continue;
    for (const auto& container : fs::directory_iterator(task.path(), error)) {
      const std::string id = task.path().filename().string() + "-" + container.path().filename().string();
      warn_unless(image::remove_rootfs(written_dir(task.path().filename(), number_of(container.path())), rootfs_target(id)),
                  "files in " + container.path().string());
      warn_unless(secrets::close_place(container.path() / "secret"), "secrets in " + container.path().string());
    }
    fs::remove_all(task.path(), error);
  }
  for (const auto& log : fs::directory_iterator(config_.data_dir / "logs", error)) {
    if (!with_logs.contains(log.path().filename())) fs::remove_all(log.path(), error);
  }
}

}  // namespace berth::runtime
