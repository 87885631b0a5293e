// SPDX-License-Identifier: Apache-2.0
// What tells one file of a log from another that has, or gets, its name or its inode number; and how far in a log its reader
// has come, as a file that reader and writer share.
//
// Threads: any; pure but for the calls of the system.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::state {

struct FileIdentity {
  std::uint64_t inode = 0;
  std::int64_t birth_ns = 0;  // 0 where the file system does not tell; those do not reuse inode numbers soon
  bool operator==(const FileIdentity&) const = default;
};

struct FileFacts {
  FileIdentity identity;
  std::uint64_t size = 0;
  bool operator==(const FileFacts&) const = default;
};

inline std::optional<FileFacts> facts_of(int dir_fd, const char* path, int flags) {
  struct statx info {};
  if (::statx(dir_fd, path, flags, STATX_INO | STATX_BTIME | STATX_SIZE, &info) != 0) return std::nullopt;
  FileFacts out;
  out.identity.inode = info.stx_ino;
  if ((info.stx_mask & STATX_BTIME) != 0) {
    out.identity.birth_ns = std::int64_t{info.stx_btime.tv_sec} * 1'000'000'000 + info.stx_btime.tv_nsec;
  }
  out.size = info.stx_size;
  return out;
}
inline std::optional<FileFacts> facts_of(const std::string& path) {
  return facts_of(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
}
inline std::optional<FileFacts> facts_of(int fd) { return facts_of(fd, "", AT_EMPTY_PATH); }

// Everything before `offset` of this file, and all older files, have been taken.
struct LogPosition {
  FileIdentity file;
  std::uint64_t offset = 0;
  bool operator==(const LogPosition&) const = default;
};

inline std::optional<LogPosition> read_position(const std::string& path) {
  const auto lines = read_lines(path);
  if (!lines || !lines->find("inode")) return std::nullopt;
  LogPosition out;
  out.file.inode = static_cast<std::uint64_t>(lines->number("inode"));
  out.file.birth_ns = lines->number("birth_ns");
  out.offset = static_cast<std::uint64_t>(lines->number("offset"));
  return out;
}

inline bool write_position(const std::string& path, const LogPosition& position) {
  Lines lines;
  lines.add("inode", static_cast<std::int64_t>(position.file.inode));
  lines.add("birth_ns", position.file.birth_ns);
  lines.add("offset", static_cast<std::int64_t>(position.offset));
  return write_file(path, lines.print());
}

}  // namespace berth::runtime::state
