// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/disk_use.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <vector>

namespace berth::runtime {

namespace fs = std::filesystem;

std::optional<DiskRoom> room_of(const fs::path& path) {
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0 || space.f_blocks == 0) return std::nullopt;
  return DiskRoom{.free = {.bytes = space.f_bavail * space.f_frsize, .files = space.f_favail},
                  .size = {.bytes = space.f_blocks * space.f_frsize, .files = space.f_files}};
}

DiskUse use_of(const fs::path& path, const fs::path& disk) {
  constexpr std::uint64_t kBlock = 512;  // of st_blocks
  DiskUse use;
  struct stat top {};
  if (::stat(disk.c_str(), &top) != 0) return use;
  std::vector<fs::path> todo{path};
  while (!todo.empty()) {
    const fs::path at = std::move(todo.back());
    todo.pop_back();
    struct stat entry {};
    if (::lstat(at.c_str(), &entry) != 0 || entry.st_dev != top.st_dev) continue;
    use.bytes += static_cast<std::uint64_t>(entry.st_blocks) * kBlock;
    use.files += 1;
    if (!S_ISDIR(entry.st_mode)) continue;
    std::error_code error;
    for (fs::directory_iterator child(at, error), end; !error && child != end;
         child.increment(error)) {
      todo.push_back(child->path());
    }
  }
  return use;
}

}  // namespace berth::runtime
