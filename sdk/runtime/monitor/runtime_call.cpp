// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/runtime_call.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::monitor {
namespace {

constexpr const char* kUnified = "/sys/fs/cgroup/unified";

// Slave, not private: an unmount of a root file system on the host must not be held up by this
// namespace.
bool cover_cgroup2() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) == 0 &&
         ::umount2(kUnified, MNT_DETACH) == 0 &&
         ::mount("none", kUnified, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") == 0;
}

void reset_signals() {
  for (int signo = 1; signo < NSIG; ++signo) ::signal(signo, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

int empty_input() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  ::close(ends[1]);
  return ends[0];
}

RuntimeCall signal_in_sandbox(const state::Lines& container, const std::string& internal_pid,
                              int signo) {
  RuntimeCall call;
  const auto pid = state::read_file(internal_pid).value_or("");
  // A process group's or the container's own would be another's.
  if (std::strtol(pid.c_str(), nullptr, 10) <= 1) return call;
  call.argv = container.all("runtime");
  for (const auto& word : {std::string("kill"), "--pid=" + pid, container.text("id"),
                           std::to_string(signo)}) {
    call.argv.push_back(word);
  }
  return call;
}

pid_t spawn(const RuntimeCall& call) {
  std::vector<char*> argv;
  argv.reserve(call.argv.size() + 1);
  for (const auto& arg : call.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  reset_signals();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(call.stdin_fd >= 0 ? call.stdin_fd : null, STDIN_FILENO);
  ::dup2(call.stdout_fd >= 0 ? call.stdout_fd : null, STDOUT_FILENO);
  ::dup2(call.stderr_fd >= 0 ? call.stderr_fd : null, STDERR_FILENO);
  if (call.hide_cgroup2 && !cover_cgroup2()) ::_exit(126);
  // The agent's environment may hold secrets, and hooks inherit it.
  char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path, nullptr};
  ::execve(argv[0], argv.data(), environment);
  ::_exit(127);
}

void end_in_sandbox(const state::Lines& container, const std::string& internal_pid) {
  const RuntimeCall call = signal_in_sandbox(container, internal_pid, SIGKILL);
  const pid_t pid = call.argv.empty() ? -1 : spawn(call);
  if (pid <= 0) return;
  const OwnedFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  const auto patience = static_cast<int>(container.number("call_timeout_ms"));
  // A sandbox that does not answer holds nobody up.
  if (!process || ::poll(&ended, 1, patience) <= 0) ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace berth::runtime::monitor
