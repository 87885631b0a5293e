// SPDX-License-Identifier: Apache-2.0
// The files of a container's state directory, as agent and monitor share them: lines "key=value".
//
//   container  written by the agent before it starts the monitor: what to do. The living monitor
//   holds an OFD write lock on it. created    by the monitor when the runtime's create has
//   succeeded: pids started    by the monitor just before the program runs: so its absence proves
//   that it never ran exit       by the monitor, synced, when the container has ended control the
//   monitor's socket (SOCK_SEQPACKET): commands "start", "kill"; news "exit" pid, runtime.log  by
//   the OCI runtime
//
// An exec'd process has a directory of its own: `exec` is what `container` is here, and names
// the file in the agent's memory that is the order to the runtime, `console` its socket for the terminal, `session` is the
// one of the process, `exit` says that the process ended by itself.
//
// Threads: any. Errors: false with errno, or nothing.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::runtime::state {

inline constexpr const char* kContainer = "container";
inline constexpr const char* kCreated = "created";
inline constexpr const char* kStarted = "started";
inline constexpr const char* kExit = "exit";
inline constexpr const char* kControl = "control";
inline constexpr const char* kPid = "pid";
inline constexpr const char* kInternalPid = "internal_pid";  // of a process in a sandbox
inline constexpr const char* kExec = "exec";
inline constexpr const char* kSession = "session";
inline constexpr const char* kConsole = "console";
inline constexpr const char* kRuntimeLog = "runtime.log";

// Lines of such a file in order; a key may come several times.
class Lines {
 public:
  void add(std::string_view key, std::string_view value) {
    lines_.emplace_back(std::string(key), std::string(value));
  }
  void add(std::string_view key, std::int64_t value) { add(key, std::to_string(value)); }

  [[nodiscard]] const std::string* find(std::string_view key) const {
    for (const auto& [name, value] : lines_) {
      if (name == key) return &value;
    }
    return nullptr;
  }
  [[nodiscard]] std::string text(std::string_view key) const {
    const std::string* value = find(key);
    return value ? *value : std::string();
  }
  [[nodiscard]] std::int64_t number(std::string_view key) const {
    const std::string* value = find(key);
    return value ? std::strtoll(value->c_str(), nullptr, 10) : 0;
  }
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const {
    std::vector<std::string> values;
    for (const auto& [name, value] : lines_) {
      if (name == key) values.push_back(value);
    }
    return values;
  }

  [[nodiscard]] std::string print() const {
    std::string out;
    for (const auto& [key, value] : lines_) out.append(key).append("=").append(value).append("\n");
    return out;
  }
  static Lines parse(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
      const auto end = text.find('\n');
      const auto line = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      const auto equals = line.find('=');
      if (equals != std::string_view::npos)
        lines.add(line.substr(0, equals), line.substr(equals + 1));
    }
    return lines;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

// The content of a small file; nothing where it cannot be read, and errno says why.
inline std::optional<std::string> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string out;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) out.append(buffer, static_cast<std::size_t>(n));
  }
  const int why = errno;
  ::close(fd);
  errno = why;
  return n < 0 ? std::nullopt : std::optional<std::string>(std::move(out));
}

inline std::optional<Lines> read_lines(const std::string& path) {
  auto text = read_file(path);
  if (!text) return std::nullopt;
  return Lines::parse(*text);
}

inline bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

enum class Sync { No, Yes };

// Replaces a file so that a reader sees the old or the new content, whole; with Sync also after a
// power cut.
inline bool write_file(const std::string& path, std::string_view text, Sync sync = Sync::No) {
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = write_all(fd, text) && (sync == Sync::No || ::fsync(fd) == 0);
  good = ::close(fd) == 0 && good;
  if (!good || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(temporary.c_str());
    errno = why;
    return false;
  }
  if (sync == Sync::Yes) {
    const int dir =
        ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
      ::fsync(dir);
      ::close(dir);
    }
  }
  return true;
}

// Sets room aside for a file that must not fail to be written when the disk is full: as long as the
// text of write_reserved is no longer than this.
inline constexpr std::size_t kReserved = 512;
inline bool reserve_file(const std::string& path) {
  const int fd = ::open((path + ".tmp").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool good = write_all(fd, std::string(kReserved, '\n'));
  return ::close(fd) == 0 && good;
}

// As write_file with Sync::Yes, into that room.
inline bool write_reserved(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = write_all(fd, text) && ::ftruncate(fd, static_cast<off_t>(text.size())) == 0;
  good = ::fsync(fd) == 0 && good;
  good = ::close(fd) == 0 && good;
  if (!good || ::rename(temporary.c_str(), path.c_str()) != 0) return false;
  const int dir =
      ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
  return true;
}

// Field 22 of /proc/PID/stat; 0 where there is no such process. A zombie counts as none.
inline std::uint64_t start_ticks(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return 0;
  // The command may hold spaces and parentheses: fields are counted from the last ')'.
  auto at = text->rfind(')');
  if (at == std::string::npos || at + 2 >= text->size() || (*text)[at + 2] == 'Z') return 0;
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at, nullptr, 10);
}

inline std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id").value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The lock that tells a living monitor. Taken on an open file description, so no inspector disturbs
// it.
inline struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace berth::runtime::state
