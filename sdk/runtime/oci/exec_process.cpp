// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/exec_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "sdk/runtime/monitor/runtime_call.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/monitor_process.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kKillAgain{1'000};

// Files of an exec, beside those of the container.
struct Files {
  explicit Files(const std::string& dir)
      : process(dir + "/exec.json"), pid(dir + "/exec.pid"), internal_pid(dir + "/exec.internal_pid"), log(dir + "/exec.log") {}
  std::string process;
  std::string pid;
  std::string internal_pid;  // in a sandbox
  std::string log;
};

pid_t read_pid(const std::string& file) {
  return static_cast<pid_t>(std::strtol(state::read_file(file).value_or("0").c_str(), nullptr, 10));
}

// The container's process with other arguments; without a terminal.
sdk::Result<std::string> process_of(const std::string& bundle, const std::vector<std::string>& args) {
  const auto text = state::read_file(bundle + "/config.json");
  boost::system::error_code error;
  json::value config = text ? json::parse(*text, error) : json::value();
  const auto* root = !text || error ? nullptr : config.if_object();
  const auto* process = root ? root->if_contains("process") : nullptr;
  if (!process || !process->is_object()) {
    return sdk::fail(BERTH_INTERNAL, "the configuration of the container in " + bundle + " cannot be read");
  }
  json::object changed = process->as_object();
  changed["terminal"] = false;
  changed.erase("consoleSize");
  changed["args"] = json::array(args.begin(), args.end());
  return json::serialize(changed);
}

// Runtimes give the command a session, and so a process group that its shell's children are in. crun's leader is a process of its own
// between itself and the command.
void kill_command(pid_t pid) {
  if (pid <= 1) return;
  const pid_t group = ::getpgid(pid);
  if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
  ::kill(pid, SIGKILL);
}

// Those that a process has begun, and that these have.
void add_descendants(pid_t pid, std::vector<pid_t>& out) {
  const std::string id = std::to_string(pid);
  const std::string text = state::read_file("/proc/" + id + "/task/" + id + "/children").value_or("");
  const char* at = text.c_str();
  char* end = nullptr;
  for (long child = std::strtol(at, &end, 10); end != at; child = std::strtol(at, &end, 10)) {
    at = end;
    out.push_back(static_cast<pid_t>(child));
    add_descendants(static_cast<pid_t>(child), out);
  }
}

// The runtime's exec with all below it. It stands still meanwhile, so that it cannot begin what is not found: a runtime that was
// killed in the middle of beginning the command leaves it behind.
void kill_exec(pid_t pid) {
  ::kill(pid, SIGSTOP);
  std::vector<pid_t> all;
  add_descendants(pid, all);
  for (const pid_t one : all) kill_command(one);
  ::kill(pid, SIGKILL);
}

bool is_in_container(const state::Lines& container, pid_t pid) {
  const auto text = state::read_file(container.text("cgroup") + "/cgroup.procs");
  return text && ("\n" + *text).find("\n" + std::to_string(pid) + "\n") != std::string::npos;
}

// One call of the runtime's exec, from its start to its end.
class Run {
 public:
  Run(const ExecCall& call, const state::Lines& container, Files files)
      : call_(call), container_(container), files_(std::move(files)) {}
  ~Run() {
    ::unlink(files_.pid.c_str());
    ::unlink(files_.internal_pid.c_str());
    ::unlink(files_.log.c_str());
  }

  sdk::Result<ExecOutcome> operator()(monitor::RuntimeCall runtime) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return sdk::fail(BERTH_UNAVAILABLE, "no pipe");
    output_ = OwnedFd(ends[0]);
    ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    {
      const OwnedFd write_end(ends[1]);
      runtime.stdout_fd = write_end.get();
      runtime.stderr_fd = write_end.get();
      pid_ = monitor::spawn(runtime);
    }
    if (pid_ < 0) return sdk::fail(BERTH_UNAVAILABLE, std::string("no process: ") + std::strerror(errno));
    ended_ = OwnedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    cancelled_ = OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const std::stop_callback on_cancel(call_.cancel, [this] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(cancelled_.get(), &one, sizeof one);
    });
    const int status = wait();
    return outcome(status);
  }

 private:
  int wait() {
    const auto deadline = Clock::now() + call_.timeout;
    auto kill_at = deadline;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(kill_at - Clock::now());
      pollfd polled[] = {{ended_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}, {killed_ ? -1 : cancelled_.get(), POLLIN, 0}};
      ::poll(polled, 3, static_cast<int>(std::max<std::int64_t>(0, left.count())));
      read_output();
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        read_output();
        return status;
      }
      const bool cancel = polled[2].revents != 0;
      if (!cancel && Clock::now() < kill_at) continue;
      timed_out_ = timed_out_ || (!cancel && !killed_);
      if (container_.number("sandbox") != 0) monitor::end_in_sandbox(container_, files_.internal_pid);
      kill_exec(pid_);
      killed_ = true;
      kill_at = Clock::now() + kKillAgain;
    }
  }

  void read_output() {
    char buffer[4096];
    for (ssize_t n = 0; output_ && (n = ::read(output_.get(), buffer, sizeof buffer)) != 0;) {
      if (n < 0) return;
      const auto room = call_.max_output - text_.size();
      text_.append(buffer, std::min<std::size_t>(room, static_cast<std::size_t>(n)));
    }
    output_ = OwnedFd();  // at its end poll would find it ready again and again
  }

  sdk::Result<ExecOutcome> outcome(int status) {
    ExecOutcome out;
    out.timed_out = timed_out_;
    out.output = std::move(text_);
    if (killed_) return out;
    if (::access(files_.pid.c_str(), F_OK) != 0) {
      const std::string why = runtime_failure(files_.log);
      return sdk::fail(BERTH_INTERNAL, why.empty() ? "the runtime could not run it" : why);
    }
    out.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return out;
  }

  const ExecCall& call_;
  const state::Lines& container_;
  const Files files_;
  OwnedFd output_;
  OwnedFd ended_;
  OwnedFd cancelled_;
  pid_t pid_ = -1;
  bool killed_ = false;
  bool timed_out_ = false;
  std::string text_;
};

}  // namespace

sdk::Result<ExecOutcome> exec_in_container(const std::string& state_dir, const ExecCall& call) {
  const auto container = state::read_lines(state_dir + "/" + state::kContainer);
  if (!container) return sdk::fail(BERTH_NOT_FOUND, "no container at " + state_dir);
  const Files files(state_dir);
  if (const pid_t left = read_pid(files.pid); left > 0 && is_in_container(*container, left)) kill_command(left);
  const bool sandboxed = container->number("sandbox") != 0;
  if (sandboxed) monitor::end_in_sandbox(*container, files.internal_pid);
  ::unlink(files.internal_pid.c_str());
  ::unlink(files.pid.c_str());
  ::unlink(files.log.c_str());
  auto process = process_of(container->text("bundle"), call.args);
  if (!process) return process.error();
  if (!state::write_file(files.process, *process)) {
    return sdk::fail(BERTH_INTERNAL, files.process + ": " + std::strerror(errno));
  }
  monitor::RuntimeCall runtime;
  runtime.argv = container->all("runtime");
  runtime.argv.insert(runtime.argv.end(), {"--log=" + files.log, "exec", "--process", files.process, "--pid-file",
                                           files.pid});
  if (sandboxed) runtime.argv.push_back("--internal-pid-file=" + files.internal_pid);
  runtime.argv.push_back(container->text("id"));
  runtime.hide_cgroup2 = container->number("hide_cgroup2") != 0;
  const OwnedFd input(container->number("empty_stdin") != 0 ? monitor::empty_input() : -1);
  runtime.stdin_fd = input.get();
  return Run(call, *container, files)(std::move(runtime));
}

}  // namespace berth::runtime
