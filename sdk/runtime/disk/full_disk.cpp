// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/full_disk.hpp"

#include <algorithm>
#include <utility>

namespace berth::runtime {
namespace {

constexpr std::uint64_t kScarce = 10;           // a tenth of the disk
constexpr std::uint64_t kAmple = 8;             // an eighth: what was scarce is so up to here
constexpr std::uint64_t kFullShare = 256;       // of the disk, or
constexpr std::uint64_t kFullBytes = 16 << 20;  // whichever is less
constexpr std::uint64_t kFullFiles = 64;
constexpr int kPatience = 5;
constexpr int kRest = 60;

bool out_of_files(const DiskRoom& room) {
  // Some file systems make entries as they are needed and tell of none.
  return room.size.files > 0 &&
         room.free.files < std::min(kFullFiles, room.size.files / kFullShare);
}

bool is_full(const DiskRoom& room) {
  return room.free.bytes < std::min(kFullBytes, room.size.bytes / kFullShare) || out_of_files(room);
}

bool has_less(const DiskRoom& room, std::uint64_t share) {
  return room.free.bytes < room.size.bytes / share || room.free.files < room.size.files / share;
}

std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

std::string reason_of(const DiskUse& taken, bool files) {
  constexpr std::uint64_t kMiB = 1 << 20;
  return "OutOfDiskError: No space left on device: of the disk of its host this task took " +
         (files ? std::to_string(taken.files) + " files, more than any other"
                : std::to_string(taken.bytes / kMiB) + " MiB, more than any other");
}

}  // namespace

void FullDisk::look() {
  const auto room = outside_.room();
  if (!room) return;
  if (!has_less(*room, before_ ? kAmple : kScarce)) {
    before_.reset();
    logs_gone_.clear();
    ending_.clear();
    rest_ = 0;
    return;
  }
  const bool full = is_full(*room);
  // On a disk that is full already nobody has a past.
  if (!before_) before_ = full ? Before{} : measured(*room);
  if (!full) {
    rest_ = 0;
    if (!std::exchange(ending_, {}).empty()) before_ = measured(*room);
    return;
  }
  if (rest_ > 0 && --rest_ > 0) return;
  if (outside_.drop_images()) return;
  if (!waits_for_the_last()) end_one(*room);
}

FullDisk::Before FullDisk::measured(const DiskRoom& room) const {
  Before before{.uses = {}, .free = room.free};
  for (const DiskUser& user : outside_.users()) before.uses.emplace(user.task_id, user.use);
  return before;
}

bool FullDisk::waits_for_the_last() {
  if (ending_.empty()) return false;
  // Its end may take as long as its containers are given to stop.
  if (outside_.runs(ending_) || --patience_ > 0) return true;
  ending_.clear();
  return false;
}

void FullDisk::end_one(const DiskRoom& room) {
  const bool files = out_of_files(room);
  const auto amount = [files](const DiskUse& use) { return files ? use.files : use.bytes; };
  DiskUser worst;
  for (DiskUser& user : outside_.users()) {
    if (user.stopped && logs_gone_.contains(user.task_id)) continue;
    const auto before = before_->uses.find(user.task_id);
    if (before != before_->uses.end()) {
      user.use = {.bytes = grown(user.use.bytes, before->second.bytes),
                  .files = grown(user.use.files, before->second.files)};
    }
    if (amount(user.use) > amount(worst.use)) worst = std::move(user);
  }
  // Of what was taken since room became scarce, half; of a disk without a past, a quarter of all.
  const std::uint64_t share = before_->free ? grown(amount(*before_->free), amount(room.free)) / 2
                                            : grown(amount(room.size), amount(room.free)) / 4;
  if (amount(worst.use) == 0 || amount(worst.use) < share) {
    outside_.warn("the disk of the data directory is full, and by no task: make room on it");
    rest_ = kRest;
    return;
  }
  ending_ = worst.task_id;
  patience_ = kPatience;
  if (worst.stopped) {
    logs_gone_.insert(worst.task_id);
    outside_.drop_logs(worst.task_id);
  } else {
    outside_.stop(worst.task_id, reason_of(worst.use, files));
  }
}

}  // namespace berth::runtime
