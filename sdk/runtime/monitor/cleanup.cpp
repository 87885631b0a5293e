// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/cleanup.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {
namespace {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
};

std::vector<pid_t> pids_of(const std::string& directory) {
  const auto text = state::read_file(directory + "/cgroup.procs");
  std::vector<pid_t> pids;
  if (!text) return pids;
  const char* at = text->c_str();
  char* end = nullptr;
  for (long pid = std::strtol(at, &end, 10); end != at; pid = std::strtol(at, &end, 10)) {
    pids.push_back(static_cast<pid_t>(pid));
    at = end;
  }
  return pids;
}

// Zombies left out. The command in a stat line may hold anything: fields count from the last ')'.
std::vector<Process> processes_of(const std::string& directory) {
  std::vector<Process> found;
  for (const pid_t pid : pids_of(directory)) {
    const auto stat = state::read_file("/proc/" + std::to_string(pid) + "/stat");
    const auto at = stat ? stat->rfind(')') : std::string::npos;
    if (at == std::string::npos || at + 4 >= stat->size() || (*stat)[at + 2] == 'Z') continue;
    char* next = nullptr;
    Process process;
    process.pid = pid;
    process.parent = static_cast<pid_t>(std::strtol(stat->c_str() + at + 4, &next, 10));
    process.group = static_cast<pid_t>(std::strtol(next, &next, 10));
    process.session = static_cast<pid_t>(std::strtol(next, &next, 10));
    found.push_back(process);
  }
  return found;
}

}  // namespace

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
    const auto pids = pids_of(directory);
    if (pids.empty()) return;
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    ::poll(nullptr, 0, 5);
  }
}

void kill_session(const ExecdProcess& leader, const std::string& directory) {
  std::set<pid_t> doomed;
  if (leader.pid > 0) doomed.insert(leader.pid);
  // Who forks or loses its parent meanwhile is caught in a later round.
  for (int round = 0; round < 64; ++round) {
    bool found = false;
    for (const Process& process : processes_of(directory)) {
      const bool ours = doomed.count(process.pid) > 0 || doomed.count(process.parent) > 0 ||
                        (leader.pid > 0 && process.session == leader.pid) ||
                        (leader.session > 0 && process.session == leader.session) ||
                        (leader.adopter > 0 && process.parent == leader.adopter);
      if (!ours) continue;
      ::kill(process.pid, SIGKILL);
      doomed.insert(process.pid);
      found = true;
    }
    if (!found) return;
    ::poll(nullptr, 0, 2);
  }
}

void signal_group(pid_t leader, int signo, const std::string& directory) {
  // Not kill(-group): a runtime may leave the process in the group of the monitor.
  const pid_t group = ::getpgid(leader);
  for (const Process& process : processes_of(directory)) {
    if (process.pid == leader || (group > 0 && process.group == group)) {
      ::kill(process.pid, signo);
    }
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
