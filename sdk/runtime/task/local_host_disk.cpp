// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost about the disk that a task has for itself, and what it takes of the host's.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/local_host.hpp"

namespace berth::runtime {

namespace fs = std::filesystem;
using sdk::Result;

namespace {

constexpr std::int64_t kMostGib = 16 * 1024;  // of ext4 with blocks of 4 KiB
constexpr std::uint64_t kGiB = 1024ULL * 1024 * 1024;

std::int64_t gib_of(const v1::StartTaskRequest& request, std::int64_t otherwise) {
  for (const auto* storage :
       {&request.overrides().ephemeral_storage(), &request.definition().ephemeral_storage()}) {
    if (storage->has_size_in_gi_b()) return storage->size_in_gi_b();
  }
  return otherwise;
}

}  // namespace

Result<void> LocalHost::check_disk(const v1::StartTaskRequest& request) const {
  const std::int64_t by_default = config_.allowance.disk_gib;
  if (by_default <= 0) return {};
  const std::int64_t gib = gib_of(request, by_default);
  if (gib >= 1 && gib <= kMostGib) return {};
  return sdk::fail(BERTH_INVALID, "A task's disk has 1 to 16384 GiB.",
                   "ephemeralStorage.sizeInGiB");
}

fs::path LocalHost::written_dir(const std::string& task_id, std::size_t container) const {
  const fs::path disk = disks_->find(task_id);
  if (disk.empty()) return container_dir(task_id, container) / "fs";
  return disk / "fs" / std::to_string(container);
}

// Its volumes are found where those of every task are.
Result<void> LocalHost::make_disk(const TaskSpec& task) {
  const std::string& task_id = task.request.task_id();
  // One that was there before the setting was taken out stays the task's.
  const bool had = !disks_->find(task_id).empty();
  const std::int64_t gib = gib_of(task.request, config_.allowance.disk_gib);
  if (config_.allowance.disk_gib <= 0 && !had) return {};
  // One that began without goes on without: its other containers are mounted from the host's.
  for (int i = 0; !had && i < task.request.definition().container_definitions_size(); ++i) {
    std::error_code error;
    if (fs::exists(container_dir(task_id, static_cast<std::size_t>(i)) / "fs", error)) return {};
  }
  const std::lock_guard lock(
      task_mutexes_[std::hash<std::string>{}(task_id) % task_mutexes_.size()]);
  const auto disk = disks_->acquire(task_id, static_cast<std::uint64_t>(gib) * kGiB);
  if (!disk) return disk.error();
  if (auto made = make_directory(*disk / "volumes"); !made) return made;
  const fs::path link = config_.data_dir / "volumes" / "task" / task_id;
  if (::symlink((*disk / "volumes").c_str(), link.c_str()) != 0 && errno != EEXIST) {
    return sdk::fail(BERTH_INTERNAL, link.string() + ": " + std::strerror(errno));
  }
  return {};
}

DiskUse LocalHost::disk_use(const std::string& task_id) const {
  const fs::path& data = config_.data_dir;
  DiskUse use;
  for (const fs::path& place : {task_dir(task_id), data / "logs" / task_id, data / "volumes" / "task" / task_id,
                                data / "disks" / (task_id + ".img")}) {
    use += use_of(place, data);
  }
  return use;
}

}  // namespace berth::runtime
