// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/exec_monitor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "sdk/runtime/monitor/cleanup.hpp"
#include "sdk/runtime/monitor/runtime_call.hpp"

namespace berth::runtime::monitor {
namespace {

std::int64_t monotonic_ms() {
  struct timespec t {};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

ExecMonitor::ExecMonitor(std::string dir, state::Lines config, int sync_fd)
    : dir_(std::move(dir)), config_(std::move(config)), sync_fd_(sync_fd) {}

int ExecMonitor::run() {
  if (!prepare()) {
    send(std::string("failed the monitor could not begin: ") + std::strerror(errno));
    return 1;
  }
  if (!exec()) return 1;
  while (!ended_ && !abandoned_) step(-1);
  if (abandoned_) end_all();
  while (!ended_) step(-1);
  // Says that its session is not to be ended: what it left in the background is the container's.
  state::write_file(path(state::kExit), "");
  send("exit " + std::to_string(exit_code(leader_status_)));
  return 0;
}

bool ExecMonitor::prepare() {
  // The runtime leaves the process to whoever adopts its orphans: us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  for (const int signo : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2}) {
    ::signal(signo, SIG_IGN);
  }
  signal_fd_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  return signal_fd_ >= 0;
}

bool ExecMonitor::exec() {
  RuntimeCall call;
  call.argv = config_.all("runtime");
  for (const auto& word :
       {"--log=" + path(state::kRuntimeLog), std::string("exec"), std::string("--detach"),
        "--pid-file=" + path(state::kPid), "--process=" + config_.text("process")}) {
    call.argv.push_back(word);
  }
  if (config_.number("sandbox") != 0) {
    call.argv.push_back("--internal-pid-file=" + path(state::kInternalPid));
  }
  if (const auto console = config_.text("console"); !console.empty()) {
    call.argv.push_back("--console-socket=" + console);
  } else {
    call.stdin_fd = STDIN_FILENO;
    call.stdout_fd = STDOUT_FILENO;
    call.stderr_fd = STDERR_FILENO;
  }
  call.argv.push_back(config_.text("id"));
  call.hide_cgroup2 = config_.number("hide_cgroup2") != 0;
  call_pid_ = spawn(call);
  // Its ends alone count: whoever reads sees the end when the process has gone.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  if (call_pid_ < 0) {
    send(std::string("failed the runtime could not be started: ") + std::strerror(errno));
    return false;
  }
  const std::int64_t deadline = monotonic_ms() + config_.number("call_timeout_ms");
  bool killed = false;
  // Some make a session of it all, whose leader is the runtime.
  session_ = call_pid_;
  while (call_pid_ != 0) {
    const std::int64_t left = deadline - monotonic_ms();
    if (left <= 0 && !killed) {
      ::kill(call_pid_, SIGKILL);
      killed = true;
    }
    step(killed ? -1 : static_cast<int>(left));
  }
  const auto pid = state::read_file(path(state::kPid)).value_or("0");
  leader_ = static_cast<pid_t>(std::strtol(pid.c_str(), nullptr, 10));
  if (killed || call_status_ != 0 || leader_ <= 0) {
    end_all();
    send(killed ? "failed timeout" : "failed " + std::to_string(exit_code(call_status_)));
    return false;
  }
  session_ = ::getsid(leader_);
  state::write_file(path(state::kSession), std::to_string(session_));
  send("ok " + std::to_string(leader_));
  reap();  // it may have ended while the runtime was still being waited for
  return true;
}

void ExecMonitor::step(int timeout_ms) {
  pollfd polled[2] = {{signal_fd_, POLLIN, 0}, {abandoned_ ? -1 : sync_fd_, POLLIN, 0}};
  if (::poll(polled, 2, timeout_ms) <= 0) return;
  if (polled[0].revents) {
    signalfd_siginfo ignored{};
    while (::read(signal_fd_, &ignored, sizeof ignored) > 0) {
    }
    reap();
  }
  if (polled[1].revents) serve();
}

void ExecMonitor::serve() {
  char text[64];
  const ssize_t n = ::recv(sync_fd_, text, sizeof text - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  text[n > 0 ? n : 0] = 0;
  if (n <= 0 || std::strcmp(text, "kill") == 0) {
    abandoned_ = true;
    return;
  }
  if (std::strncmp(text, "signal ", 7) != 0 || leader_ <= 0 || ended_) return;
  const int signo = static_cast<int>(std::strtol(text + 7, nullptr, 10));
  if (config_.number("sandbox") != 0) {
    signal_inside(signo);
  } else {
    // As from a terminal, all that the command has started hears it.
    signal_group(leader_, signo, cgroup());
  }
}

void ExecMonitor::reap() {
  for (;;) {
    siginfo_t info{};
    // The process may end before its pid is known here: it is left unreaped until then.
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    int status = 0;
    if (call_pid_ != 0) {
      if (::waitpid(call_pid_, &status, WNOHANG) != call_pid_) return;
      call_status_ = status;
      call_pid_ = 0;
      return;
    }
    if (leader_ == 0) return;
    const pid_t pid = ::waitpid(info.si_pid, &status, 0);
    if (pid == leader_) {
      leader_status_ = status;
      ended_ = true;
    }
  }
}

void ExecMonitor::signal_inside(int signo) {
  const RuntimeCall call = signal_in_sandbox(config_, path(state::kInternalPid), signo);
  if (!call.argv.empty()) spawn(call);  // reaped with all others, or by whoever adopts it
}

void ExecMonitor::end_all() {
  if (config_.number("sandbox") != 0) {
    if (!ended_) signal_inside(SIGKILL);
    // Nothing in the cgroup is the command's; the runtime's own process ends with the command.
    if (leader_ > 0 && !ended_ && ::access(path(state::kInternalPid).c_str(), F_OK) != 0) {
      ::kill(leader_, SIGKILL);
    }
    return;
  }
  // A child that was not reaped: its pid is its own still.
  if (leader_ > 0 && !ended_) ::kill(leader_, SIGKILL);
  ExecdProcess leader;
  leader.pid = leader_;
  leader.session = session_;
  leader.adopter = ::getpid();
  kill_session(leader, cgroup());
}

// Any hierarchy has all processes of the container.
std::string ExecMonitor::cgroup() const {
  for (const auto& one : config_.all("cgroup")) {
    if (::access((one + "/cgroup.procs").c_str(), F_OK) == 0) return one;
  }
  return {};
}

void ExecMonitor::send(std::string_view text) const {
  // Who does not listen any more is told nothing.
  [[maybe_unused]] const auto sent = ::send(sync_fd_, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace berth::runtime::monitor
