// SPDX-License-Identifier: Apache-2.0
// The volumes of one host.
//
//   task/TASK/NAME/_data      made for a task, gone with it; NAME starts with '.' where no
//   definition named it shared/NAME/_data         stays; `volume` beside it says how it was made,
//   `holders/TASK` who uses it
//
// Invariants: 1. A volume that its driver options mount is mounted as long as a task holds it,
// once. 2. Nothing below a mount is ever removed: a directory goes only once nothing is mounted in
// it. 3. What a crash leaves is found by sweep(). Threads: any; one at a time for one task. Needs
// CAP_SYS_ADMIN. Errors: NOT_FOUND a shared volume that nobody made; PRECONDITION one that was made
// otherwise; messages start "CannotCreateVolumeError: ".
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/options/volumes.hpp"

namespace berth::runtime::volume {

class VolumeStore {
 public:
  // `directory` is made where missing.
  static sdk::Result<std::unique_ptr<VolumeStore>> open(std::filesystem::path directory);

  // The volume for a task: made, mounted and held as need be. The path of what is in it; of a Bind
  // the host's own, a directory where it was missing. Idempotent.
  [[nodiscard]] sdk::Result<std::filesystem::path> acquire(const std::string& task_id,
                                                           const options::Volume& volume);

  // A directory of the task's own under a name that is no volume's: letters, digits and dots.
  [[nodiscard]] sdk::Result<std::filesystem::path> acquire_unnamed(const std::string& task_id,
                                                                   const std::string& name);

  // A tmpfs of the task's own, mounted until release().
  [[nodiscard]] sdk::Result<std::filesystem::path> acquire_tmpfs(const std::string& task_id,
                                                                 const std::string& name,
                                                                 std::uint64_t bytes);

  // As Docker: what the image has at `path` is copied to a volume that holds nothing. `data` is of
  // this store. A path that the image does not have leaves it empty.
  [[nodiscard]] sdk::Result<void> populate(const std::filesystem::path& data,
                                           const std::string& rootfs, const std::string& path);

  // The task has ended: its own volumes go, and its hold on shared ones. Idempotent.
  [[nodiscard]] sdk::Result<void> release(const std::string& task_id);

  // Releases what belongs to none of `live`.
  void sweep(const std::set<std::string>& live);

 private:
  explicit VolumeStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  [[nodiscard]] sdk::Result<std::filesystem::path> acquire_shared(const std::string& task_id,
                                                                  const options::Volume& volume);
  [[nodiscard]] sdk::Result<void> drop_hold(const std::filesystem::path& volume,
                                            const std::string& task_id);
  // One volume is made, filled or left by one thread at a time; volumes share few mutexes.
  std::mutex& mutex_of(const std::filesystem::path& volume);

  const std::filesystem::path directory_;
  std::array<std::mutex, 16> mutexes_;
};

}  // namespace berth::runtime::volume
