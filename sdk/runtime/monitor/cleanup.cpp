// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/cleanup.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {

std::int64_t count_oom_kills(const std::string& file) {
  const auto text = file.empty() ? std::nullopt : state::read_file(file);
  if (!text) return 0;
  const auto at = text->find("oom_kill ");
  return at == std::string::npos ? 0 : std::strtoll(text->c_str() + at + 9, nullptr, 10);
}

bool remove_cgroup(const std::string& directory) {
  // An exited process leaves its cgroup a moment after its parent has reaped it.
  for (int wait_ms = 1; wait_ms <= 256; wait_ms *= 2) {
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return true;
    if (errno != EBUSY) return false;
    ::poll(nullptr, 0, wait_ms);
  }
  return false;
}

void kill_cgroup(const std::string& directory) {
  const int kill_all = ::open((directory + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
  if (kill_all >= 0) {
    state::write_all(kill_all, "1");
    ::close(kill_all);
    return;
  }
  // v1: who forks meanwhile is caught in a later round.
  for (int round = 0; round < 16; ++round) {
    const auto text = state::read_file(directory + "/cgroup.procs");
    if (!text || text->empty()) return;
    const char* at = text->c_str();
    char* end = nullptr;
    for (long pid = std::strtol(at, &end, 10); end != at; pid = std::strtol(at, &end, 10)) {
      ::kill(static_cast<pid_t>(pid), SIGKILL);
      at = end;
    }
    ::poll(nullptr, 0, 5);
  }
}

bool remove_tree(const std::string& directory) {
  DIR* dir = ::opendir(directory.c_str());
  if (!dir) return errno == ENOENT;
  while (const dirent* entry = ::readdir(dir)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    const std::string path = directory + "/" + entry->d_name;
    if (::unlink(path.c_str()) != 0 && errno == EISDIR) remove_tree(path);
  }
  ::closedir(dir);
  return ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

}  // namespace berth::runtime::monitor
