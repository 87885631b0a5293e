// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cni/plugin_call.hpp"

#include "sdk/runtime/cni/conf_list.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::cni {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = kOthers.bytes;
constexpr std::size_t kMaxComplaint = 500;
// How long a cancelled call goes on at most.
constexpr int kLookMs = 100;
constexpr int kLockFd = 3;  // in the plugin

sdk::Error failed(const PluginCall& call, const std::string& why) {
  return sdk::fail(BERTH_INTERNAL,
                   "the CNI plugin " + call.program + " failed at " + call.command + ": " + why);
}

// A pair of sockets, since a write to one whose other end is closed needs no SIGPIPE.
bool make_channel(OwnedFd& ours, OwnedFd& theirs) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  ours = OwnedFd(ends[0]);
  theirs = OwnedFd(ends[1]);
  return ::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0;
}

bool make_pipe(OwnedFd& ours, OwnedFd& theirs) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  ours = OwnedFd(ends[0]);
  theirs = OwnedFd(ends[1]);
  return ::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0;
}

// One line without control characters: it ends up in a task's reason.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxComplaint)) {
    out.push_back(static_cast<unsigned char>(c) < ' ' || c == 127 ? ' ' : c);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// {"code", "msg", "details"}, as the specification has it; else what it said otherwise.
std::string complaint(const std::string& output, const std::string& errors, int status) {
  boost::system::error_code error;
  const auto value = json::parse(output, error);
  if (!error && value.is_object()) {
    const auto text = [&](const char* key) {
      const auto* one = value.get_object().if_contains(key);
      return one && one->is_string()
                 ? plain(std::string_view(one->get_string().data(), one->get_string().size()))
                 : std::string();
    };
    const std::string message = text("msg");
    const std::string details = text("details");
    if (!message.empty()) return details.empty() ? message : message + " (" + details + ")";
  }
  const std::string said = plain(errors.empty() ? output : errors);
  const std::string end = WIFSIGNALED(status)
                              ? "killed by signal " + std::to_string(WTERMSIG(status))
                              : "exit code " + std::to_string(WEXITSTATUS(status));
  return said.empty() ? end : end + ": " + said;
}

class Run {
 public:
  explicit Run(const PluginCall& call) : call_(call) {}
  // What a plugin leaves running on purpose does not hold up the next.
  ~Run() {
    kill();
    if (lock_) ::flock(lock_.get(), LOCK_UN);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  sdk::Result<std::string> operator()() {
    if (auto locked = lock(); !locked) return locked.error();
    if (auto begun = begin(); !begun) return begun.error();
    const auto deadline = Clock::now() + call_.timeout;
    while (output_ || errors_) {
      const int left = left_until(deadline);
      if (left <= 0) return too_long();
      if (call_.cancel.stop_requested()) return cancelled();
      step(std::min(left, kLookMs));
      if (text_.size() > kMaxOutput) return failed(call_, "it printed more than 256 KiB");
    }
    // One that has closed both may still go on.
    const OwnedFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!process) return failed(call_, "it cannot be waited for");
    pollfd ended{process.get(), POLLIN, 0};
    while (::poll(&ended, 1, std::clamp(left_until(deadline), 0, kLookMs)) <= 0) {
      if (left_until(deadline) <= 0) return too_long();
      if (call_.cancel.stop_requested()) return cancelled();
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (status != 0) return failed(call_, complaint(text_, said_, status));
    return std::move(text_);
  }

 private:
  static int left_until(Clock::time_point deadline) {
    return static_cast<int>(
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count());
  }
  static sdk::Error cancelled() { return sdk::fail(BERTH_CANCELLED, "cancelled"); }
  sdk::Error too_long() const {
    return sdk::fail(BERTH_DEADLINE, "the CNI plugin " + call_.program + " took longer than " +
                                         std::to_string(call_.timeout.count() / 1000) + " s at " +
                                         call_.command);
  }

  // An agent that died may have left a plugin that goes on: ADD beside DEL would leave what nobody
  // knows. One that does not end within its time is passed by, as the agent would have killed it.
  sdk::Result<void> lock() {
    if (call_.lock.empty()) return {};
    // Its number is high, so that dup2 to kLockFd never meets itself.
    const OwnedFd low(::open(call_.lock.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    lock_ = OwnedFd(low ? ::fcntl(low.get(), F_DUPFD_CLOEXEC, 64) : -1);
    if (!lock_) return sdk::fail(BERTH_UNAVAILABLE, call_.lock + ": " + std::strerror(errno));
    const auto deadline = Clock::now() + call_.timeout;
    while (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (call_.cancel.stop_requested()) return cancelled();
      const int left = left_until(deadline);
      if (left <= 0) break;
      ::poll(nullptr, 0, std::min(left, kLookMs));
    }
    return {};
  }

  sdk::Result<void> begin() {
    OwnedFd in;
    OwnedFd out;
    OwnedFd err;
    if (!make_channel(input_, in) || !make_pipe(output_, out) || !make_pipe(errors_, err)) {
      return sdk::fail(BERTH_UNAVAILABLE, "no pipe for a CNI plugin");
    }
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, in.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, out.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, err.get(), STDERR_FILENO);
    if (lock_) ::posix_spawn_file_actions_adddup2(&files, lock_.get(), kLockFd);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    // A group of its own: plugins run iptables, and other plugins.
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    ::sigaddset(&signals, SIGPIPE);  // ignored by the agent
    ::posix_spawnattr_setsigdefault(&attributes, &signals);
    std::vector<std::string> environment = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CNI_COMMAND=" + call_.command,
        "CNI_CONTAINERID=" + call_.container_id,
        "CNI_NETNS=" + call_.netns,
        "CNI_IFNAME=" + call_.interface_name,
        "CNI_ARGS=IgnoreUnknown=1",
        "CNI_PATH=" + call_.search_path};
    std::vector<char*> env;
    for (auto& entry : environment) env.push_back(entry.data());
    env.push_back(nullptr);
    std::string program = call_.program;
    char* argv[] = {program.data(), nullptr};
    const int error = ::posix_spawn(&pid_, program.c_str(), &files, &attributes, argv, env.data());
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (error == 0) return {};
    pid_ = -1;
    return sdk::fail(BERTH_UNAVAILABLE, call_.program + ": " + std::strerror(error));
  }

  void step(int timeout_ms) {
    pollfd polled[] = {{input_ ? input_.get() : -1, POLLOUT, 0},
                       {output_ ? output_.get() : -1, POLLIN, 0},
                       {errors_ ? errors_.get() : -1, POLLIN, 0}};
    if (::poll(polled, 3, timeout_ms) <= 0) return;
    if (polled[0].revents) write_input();
    if (polled[1].revents) read_into(output_, text_, kMaxOutput + 1);
    if (polled[2].revents) read_into(errors_, said_, kMaxComplaint);
  }

  void write_input() {
    const ssize_t n = ::send(input_.get(), call_.input.data() + written_,
                             call_.input.size() - written_, MSG_NOSIGNAL);
    if (n > 0) written_ += static_cast<std::size_t>(n);
    const bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
    if (gone || written_ == call_.input.size()) input_ = OwnedFd();
  }

  static void read_into(OwnedFd& from, std::string& to, std::size_t most) {
    char buffer[4096];
    const ssize_t n = ::read(from.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      from = OwnedFd();
      return;
    }
    to.append(buffer, std::min(most - std::min(most, to.size()), static_cast<std::size_t>(n)));
  }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  const PluginCall& call_;
  OwnedFd input_;
  OwnedFd output_;
  OwnedFd errors_;
  OwnedFd lock_;
  pid_t pid_ = -1;
  std::size_t written_ = 0;
  std::string text_;
  std::string said_;
};

}  // namespace

sdk::Result<std::string> run_plugin(const PluginCall& call) {
  return Run(call)();
}

sdk::Result<std::string> find_plugin(const std::string& type,
                                     const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    std::string path = directory + "/" + type;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  std::string all;
  for (const std::string& directory : directories) all += (all.empty() ? "" : ", ") + directory;
  return sdk::fail(BERTH_NOT_FOUND, "the CNI plugin " + type + " is in none of " + all, "cni");
}

}  // namespace berth::runtime::cni
