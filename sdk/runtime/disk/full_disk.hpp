// SPDX-License-Identifier: Apache-2.0
// Ends what fills the disk that all tasks of a host write to, so that the others can go on.
//
// While there is room this costs one statvfs a look. Once little is left, what each task takes is
// measured; once nothing is, it is measured again. The one that took most in between goes where
// that is at least half of what was taken at all: its logs where it has stopped already, else the
// task itself. One at a time: the next is chosen only after its files are gone and the disk is
// still full. Where no task took so much, none is stopped: what cannot be seen (files without a
// name, the host's own) is nobody's fault. Threads: one at a time. Owns nothing outside.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sdk/runtime/disk/disk_use.hpp"

namespace berth::runtime {

struct DiskUser {
  std::string task_id;
  bool stopped = false;  // only its logs are left
  DiskUse use;
};

class FullDisk {
 public:
  struct Outside {
    std::function<std::optional<DiskRoom>()> room;
    std::function<std::vector<DiskUser>()> users;  // walks over their files
    std::function<bool(const std::string& task_id)> runs;
    std::function<bool()> drop_images;  // those that nobody uses; whether one went
    std::function<void(const std::string& task_id, const std::string& reason)> stop;
    std::function<void(const std::string& task_id)> drop_logs;
    std::function<void(const std::string& complaint)> warn;
  };
  explicit FullDisk(Outside outside) : outside_(std::move(outside)) {}

  // To be called about once a second.
  void look();

 private:
  struct Before {
    std::map<std::string, DiskUse> uses;  // by task_id
    std::optional<DiskUse> free;          // nothing: it was full when it was first seen
  };
  [[nodiscard]] Before measured(const DiskRoom& room) const;
  [[nodiscard]] bool waits_for_the_last();
  void end_one(const DiskRoom& room);

  const Outside outside_;
  std::optional<Before> before_;     // as it was when room became scarce
  std::set<std::string> logs_gone_;  // of tasks that had stopped
  std::string ending_;               // what was ended last
  int patience_ = 0;                 // looks until it must have had its effect
  int rest_ = 0;                     // looks without a walk, after one that blamed nobody
};

}  // namespace berth::runtime
