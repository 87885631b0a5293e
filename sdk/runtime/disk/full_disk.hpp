// SPDX-License-Identifier: Apache-2.0
// Ends what fills the disk that all tasks of a host write to, so that the others can go on.
//
// While there is room this costs one statvfs a look. Once little is left, what each task takes is
// measured; once nothing is, it is measured again, and the one that took most in between goes: its
// logs where it has stopped already, else the task itself. One at a time: the next is chosen only
// after its files are gone and the disk is still full.
// Threads: one at a time. Owns nothing outside.
#pragma once

#include <functional>
#include <map>
#include <optional>
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
    std::function<bool()> drop_images;             // those that nobody uses; whether one went
    std::function<void(const std::string& task_id, const std::string& reason)> stop;
    std::function<void(const std::string& task_id)> drop_logs;
    std::function<void(const std::string& complaint)> warn;
  };
  explicit FullDisk(Outside outside) : outside_(std::move(outside)) {}

  // To be called about once a second.
  void look();

 private:
  using Uses = std::map<std::string, DiskUse>;  // by task_id
  [[nodiscard]] Uses measured() const;
  [[nodiscard]] bool waits_for_the_last();
  void end_one(const DiskRoom& room);

  const Outside outside_;
  std::optional<Uses> before_;  // as it was when room became scarce
  std::string ending_;          // what was ended last
  int patience_ = 0;            // looks until it must have had its effect
  bool complained_ = false;
};

}  // namespace berth::runtime
