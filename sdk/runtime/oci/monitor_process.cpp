// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/monitor_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/container_state.hpp"

namespace berth::runtime {
// The one who forks off the monitor ends at once; only its status is of interest.
sdk::Result<void> spawn_monitor(const std::vector<std::string>& words,
                                const std::array<int, 4>& files) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  // Copies far from 0 to 3 first, so that none is overwritten before it is used.
  std::vector<OwnedFd> copies;
  for (int target = 0; target < 4; ++target) {
    if (files[static_cast<std::size_t>(target)] < 0) continue;
    copies.emplace_back(::fcntl(files[static_cast<std::size_t>(target)], F_DUPFD_CLOEXEC, 10));
    ::posix_spawn_file_actions_adddup2(&actions, copies.back().get(), target);
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path, nullptr};  // the agent's may hold secrets, and hooks inherit it
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return sdk::fail(BERTH_UNAVAILABLE,
                     words[0] + " could not be started: " + std::strerror(error));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return {};
}

sdk::Result<std::string> start_monitor(const MonitorStart& start) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return sdk::fail(BERTH_UNAVAILABLE, std::string("no pipe: ") + std::strerror(errno));
  }
  const OwnedFd read_end(ends[0]);
  {
    const OwnedFd write_end(ends[1]);
    std::vector<std::string> words{start.program};
    if (start.remove) words.emplace_back("--remove");
    words.push_back(start.state_dir);
    const OwnedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto spawned = spawn_monitor(words, {null.get(), null.get(), null.get(), write_end.get()});
    if (!spawned) return spawned.error();
  }
  const auto deadline = std::chrono::steady_clock::now() + start.timeout;
  std::string line;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{read_end.get(), POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready == 0) return sdk::fail(BERTH_DEADLINE, "the monitor gave no answer");
    char buffer[512];
    const ssize_t n = ready < 0 ? -1 : ::read(read_end.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) line.append(buffer, static_cast<std::size_t>(n));
    // After a failure its end is waited for, so that it has put away all it had begun.
    const bool good = line.starts_with("ok") && line.find('\n') != std::string::npos;
    if (n <= 0 || (good && !start.remove)) break;
  }
  return line.substr(0, line.find('\n'));
}

std::string runtime_failure(const std::string& log_path) {
  const auto text = state::read_file(log_path).value_or("");
  std::string_view rest = text;
  std::string message;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    boost::system::error_code error;
    const auto value = boost::json::parse({line.data(), line.size()}, error);
    const auto* object = error ? nullptr : value.if_object();
    const auto* msg = object ? object->if_contains("msg") : nullptr;
    if (msg && msg->is_string()) {
      const auto* level = object->if_contains("level");
      const bool minor = level && level->is_string() && level->as_string() != "error";
      if (minor && !message.empty()) continue;
      message.assign(msg->as_string().data(), msg->as_string().size());
    } else if (!object && !line.empty()) {
      message.assign(line);
    }
  }
  return message;
}

}  // namespace berth::runtime
