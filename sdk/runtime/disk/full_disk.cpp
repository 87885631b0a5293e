// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/full_disk.hpp"

#include <algorithm>
#include <utility>

namespace berth::runtime {
namespace {

constexpr std::uint64_t kScarce = 10;           // a tenth of the disk
constexpr std::uint64_t kFullShare = 256;       // of the disk, or
constexpr std::uint64_t kFullBytes = 16 << 20;  // whichever is less
constexpr std::uint64_t kFullFiles = 64;
constexpr int kPatience = 5;

bool out_of_files(const DiskRoom& room) {
  // Some file systems make entries as they are needed and tell of none.
  return room.size.files > 0 &&
         room.free.files < std::min(kFullFiles, room.size.files / kFullShare);
}

bool is_full(const DiskRoom& room) {
  return room.free.bytes < std::min(kFullBytes, room.size.bytes / kFullShare) || out_of_files(room);
}

bool is_scarce(const DiskRoom& room) {
  return room.free.bytes < room.size.bytes / kScarce || room.free.files < room.size.files / kScarce;
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
  if (!is_scarce(*room)) {
    before_.reset();
    ending_.clear();
    complained_ = false;
    return;
  }
  // On a disk that is full already nobody has a past.
  if (!before_) before_ = is_full(*room) ? Uses{} : measured();
  if (!is_full(*room)) {
    if (!std::exchange(ending_, {}).empty()) before_ = measured();
    return;
  }
  if (outside_.drop_images()) return;
  if (!waits_for_the_last()) end_one(*room);
}

FullDisk::Uses FullDisk::measured() const {
  Uses uses;
  for (const DiskUser& user : outside_.users()) uses.emplace(user.task_id, user.use);
  return uses;
}

bool FullDisk::waits_for_the_last() {
  if (ending_.empty()) return false;
  const auto users = outside_.users();
  const bool runs = std::any_of(users.begin(), users.end(), [&](const DiskUser& user) {
    return user.task_id == ending_ && !user.stopped;
  });
  // Its end may take as long as its containers are given to stop.
  if (runs || --patience_ > 0) return true;
  ending_.clear();
  return false;
}

void FullDisk::end_one(const DiskRoom& room) {
  const bool files = out_of_files(room);
  const auto amount = [files](const DiskUse& use) { return files ? use.files : use.bytes; };
  DiskUser worst;
  for (DiskUser& user : outside_.users()) {
    const auto before = before_->find(user.task_id);
    if (before != before_->end()) {
      user.use = {.bytes = grown(user.use.bytes, before->second.bytes),
                  .files = grown(user.use.files, before->second.files)};
    }
    if (amount(user.use) > amount(worst.use)) worst = std::move(user);
  }
  const std::uint64_t least =
      files ? kFullFiles : std::min(kFullBytes, room.size.bytes / kFullShare);
  if (amount(worst.use) < least) {
    if (!std::exchange(complained_, true)) {
      outside_.warn("the disk of the data directory is full, and by no task: make room on it");
    }
    return;
  }
  ending_ = worst.task_id;
  patience_ = kPatience;
  if (worst.stopped) {
    outside_.drop_logs(worst.task_id);
  } else {
    outside_.stop(worst.task_id, reason_of(worst.use, files));
  }
}

}  // namespace berth::runtime
