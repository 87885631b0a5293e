// SPDX-License-Identifier: Apache-2.0
// Disks of tasks: each an ext4 file system in a sparse file of its own, mounted by a loop device.
//
//   TASK        where it is mounted: all that the task's containers write
//   TASK.img    the file; its size is what the task may write
//
// What fills such a disk meets "No space left on device" there, and nobody else does.
// Invariants: 1. An image has its name once its file system is whole. 2. A disk is mounted once.
// 3. What a crash leaves is found by sweep().
// Threads: any; one at a time for one task. Needs CAP_SYS_ADMIN, loop devices and mkfs.ext4.
// Errors: UNAVAILABLE no loop device is free; NO_CAPACITY the host's disk is full; INTERNAL the
// rest. Messages start "CannotCreateVolumeError: ".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "berth/result.hpp"

namespace berth::runtime {

class TaskDisks {
 public:
  // Whether this host can make them: mkfs.ext4 and loop devices are there.
  [[nodiscard]] static bool possible();

  // `directory` is made, 0700, with the first disk.
  explicit TaskDisks(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // The task's disk, made and mounted as need be; where it is mounted. Idempotent.
  [[nodiscard]] sdk::Result<std::filesystem::path> acquire(const std::string& task_id,
                                                           std::uint64_t bytes) const;
  // Where it is mounted or was; empty for a task that has none.
  [[nodiscard]] std::filesystem::path find(const std::string& task_id) const;
  // The task has ended: nothing mounts anything of it any more. Idempotent.
  [[nodiscard]] sdk::Result<void> release(const std::string& task_id) const;
  // Releases what belongs to none of `live`.
  void sweep(const std::set<std::string>& live) const;

 private:
  [[nodiscard]] std::filesystem::path image_of(const std::string& task_id) const {
    return directory_ / (task_id + ".img");
  }
  [[nodiscard]] sdk::Result<void> make_image(const std::string& task_id, std::uint64_t bytes) const;

  const std::filesystem::path directory_;
};

}  // namespace berth::runtime
