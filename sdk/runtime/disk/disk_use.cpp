// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/disk_use.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <memory>
#include <string_view>

namespace berth::runtime {

namespace fs = std::filesystem;

namespace {

// A container may nest its directories deeper than paths are long: each is opened in the one above.
constexpr int kDepth = 256;

void add(const struct stat& entry, DiskUse& use) {
  constexpr std::uint64_t kBlock = 512;  // of st_blocks
  use.bytes += static_cast<std::uint64_t>(entry.st_blocks) * kBlock;
  use.files += 1;
}

// Owns `directory`.
void add_below(int directory, dev_t disk, int depth, DiskUse& use) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(directory), &::closedir);
  if (!open) {
    ::close(directory);
    return;
  }
  while (const dirent* const child = ::readdir(open.get())) {
    const std::string_view name = child->d_name;
    if (name == "." || name == "..") continue;
    struct stat entry {};
    if (::fstatat(directory, child->d_name, &entry, AT_SYMLINK_NOFOLLOW) != 0 ||
        entry.st_dev != disk)
      continue;
    add(entry, use);
    if (!S_ISDIR(entry.st_mode) || depth >= kDepth) continue;
    const int below =
        ::openat(directory, child->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) add_below(below, disk, depth + 1, use);
  }
}

}  // namespace

std::optional<DiskRoom> room_of(const fs::path& path) {
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0 || space.f_blocks == 0) return std::nullopt;
  return DiskRoom{.free = {.bytes = space.f_bavail * space.f_frsize, .files = space.f_favail},
                  .size = {.bytes = space.f_blocks * space.f_frsize, .files = space.f_files}};
}

DiskUse use_of(const fs::path& path, const fs::path& disk) {
  DiskUse use;
  struct stat on {};
  struct stat top {};
  if (::stat(disk.c_str(), &on) != 0 || ::lstat(path.c_str(), &top) != 0 || top.st_dev != on.st_dev)
    return use;
  add(top, use);
  if (!S_ISDIR(top.st_mode)) return use;
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory >= 0) add_below(directory, on.st_dev, 0, use);
  return use;
}

}  // namespace berth::runtime
