// SPDX-License-Identifier: Apache-2.0
// What a file system has left, and what directories take of it.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace berth::runtime {

// Bytes on the disk, and entries: files and directories.
struct DiskUse {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;

  DiskUse& operator+=(const DiskUse& other) {
    bytes += other.bytes;
    files += other.files;
    return *this;
  }
};

struct DiskRoom {
  DiskUse free;  // for those without privileges
  DiskUse size;
};

// Of the file system that holds `path`; nothing where it cannot be told.
[[nodiscard]] std::optional<DiskRoom> room_of(const std::filesystem::path& path);

// Of a file or a directory with all below it, as far as that is on the file system of `disk`, links
// not followed. Looks at each entry once; what vanishes or cannot be read meanwhile counts nothing.
[[nodiscard]] DiskUse use_of(const std::filesystem::path& path, const std::filesystem::path& disk);

}  // namespace berth::runtime
