// SPDX-License-Identifier: Apache-2.0
// Which ids of the host each task has for its user namespace.
//
// Invariants: 1. No two tasks have a range, or a part of one, in common while both live. 2. A range
// is on disk (DIRECTORY/TASK: its number) before it is given, so a restart finds it again.
// Threads: any.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/id_range.hpp"
#include "sdk/runtime/image/user.hpp"

namespace berth::runtime {

// The operator's: ids first..last of the host, `per_task` of them for each task.
struct IdRangeSettings {
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // inclusive; 0: tasks have no user namespaces
  std::uint32_t per_task = 65'536;

  [[nodiscard]] bool enabled() const { return last != 0; }
  [[nodiscard]] std::uint32_t ranges() const { return (last - first + 1) / per_task; }
};

// Errors: INVALID a container's user or one of its groups is none of those that its task has.
[[nodiscard]] sdk::Result<void> check_ids(const IdRange& ids, const image::ProcessUser& user);

class IdRanges {
 public:
  // Errors: PRECONDITION a task on disk has a range that these settings no longer hold.
  static sdk::Result<std::unique_ptr<IdRanges>> open(std::filesystem::path directory,
                                                     IdRangeSettings settings);

  // The task's range, a free one where it had none. Errors: NO_CAPACITY all are taken.
  [[nodiscard]] sdk::Result<IdRange> acquire(const std::string& task_id);
  // Idempotent.
  [[nodiscard]] sdk::Result<void> release(const std::string& task_id);
  // Releases those of none of these.
  void sweep(const std::set<std::string>& live);

 private:
  IdRanges(std::filesystem::path directory, IdRangeSettings settings)
      : directory_(std::move(directory)), settings_(settings) {}
  [[nodiscard]] IdRange range(std::uint32_t number) const;

  const std::filesystem::path directory_;
  const IdRangeSettings settings_;
  std::mutex mutex_;
  std::map<std::string, std::uint32_t> taken_;  // by task: number of its range
};

}  // namespace berth::runtime
