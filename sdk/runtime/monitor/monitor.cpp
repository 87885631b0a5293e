// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/monitor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "sdk/runtime/monitor/cleanup.hpp"
#include "sdk/runtime/monitor/runtime_call.hpp"

namespace berth::runtime::monitor {
namespace {

constexpr std::size_t kMaxClients = 16;
constexpr int kFullAgainMs = 100;

std::int64_t monotonic_ms() {
  struct timespec t {};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The socket's path may be longer than sockaddr_un holds, so it is named through its directory.
int listen_on(const std::string& dir, const char* name) {
  const int dir_fd = ::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(dir_fd) + "/" + name;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool good = dir_fd >= 0 && fd >= 0 &&
                    ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::listen(fd, static_cast<int>(kMaxClients)) == 0;
  if (dir_fd >= 0) ::close(dir_fd);
  if (good) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

std::int64_t now_ns() {
  struct timespec t {};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

Monitor::Monitor(std::string dir, state::Lines config, int sync_fd)
    : dir_(std::move(dir)), config_(std::move(config)), sync_fd_(sync_fd) {}

Monitor::~Monitor() = default;  // the process ends with it; the kernel closes

int Monitor::run() {
  if (!prepare()) {
    reply(sync_fd_,
          std::string("failed the monitor could not begin: ") + std::strerror(errno) + "\n");
    return 1;
  }
  if (!create()) {
    clean();
    return 1;
  }
  if (kill_wanted_) kill_container();
  while (!ended_) step(-1);
  kill_stragglers();
  pass("monitor.before_exit");
  record_exit();
  pass("monitor.after_exit");
  for (const int client : clients_) reply(client, "exit");
  // Clients stay connected to the very end: their end of file says that nothing is left.
  clean();
  return 0;
}

bool Monitor::prepare() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  // Whoever ends the agent's session or process group ends no container.
  for (const int signo : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2}) {
    ::signal(signo, SIG_IGN);
  }
  signal_fd_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  listen_fd_ = listen_on(dir_, state::kControl);
  for (auto& pipe : pipes_) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    if (config_.find("output_owner") != nullptr) {
      const auto owner = static_cast<uid_t>(config_.number("output_owner"));
      if (::fchown(ends[1], owner, owner) != 0) return false;
    }
    pipe = {ends[0], ends[1]};
  }
  if (config_.number("open_stdin") != 0) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    stdin_ = {ends[0], ends[1]};
  } else if (config_.number("empty_stdin") != 0) {
    stdin_ = {empty_input(), -1};
    if (stdin_.read < 0) return false;
  }
  if (config_.number("terminal") != 0 && !console_.listen(dir_)) return false;
  log_ = std::make_unique<LogWriter>(LogWriterOptions{
      config_.text("log"), static_cast<std::uint64_t>(config_.number("log_max_bytes")),
      static_cast<std::uint32_t>(config_.number("log_max_files")), config_.text("log_cursor"),
      config_.number("log_waits") != 0});
  return signal_fd_ >= 0 && listen_fd_ >= 0;
}

std::vector<std::string> Monitor::runtime_command() const {
  auto command = config_.all("runtime");
  command.push_back("--log=" + path(state::kRuntimeLog));
  return command;
}

// Its environment is not the agent's, so orders say at which point it dies, as in failpoint.hpp.
// The first that comes there takes the gate away: one monitor dies, not all.
void Monitor::pass(std::string_view point) const {
  if (config_.find("failpoint") == nullptr || config_.text("failpoint") != point) return;
  if (::unlink(config_.text("failpoint_gate").c_str()) == 0) ::kill(::getpid(), SIGKILL);
}

bool Monitor::create() {
  pass("monitor.before_create");
  // Where cgroup2 is hidden from the runtime, the container stays in it where the monitor is now.
  const bool first = config_.number("hide_cgroup2") != 0;
  if (first) escape_cgroup(std::to_string(::getpid()));
  std::vector<std::string> arguments{"create", "--bundle", config_.text("bundle"), "--pid-file",
                                     path(state::kPid)};
  const bool terminal = config_.number("terminal") != 0;
  if (terminal) arguments.insert(arguments.end(), {"--console-socket", console_.path()});
  arguments.push_back(config_.text("id"));
  const int status = call(std::move(arguments), true);
  for (auto& pipe : pipes_) {
    ::close(pipe.write);
    pipe.write = -1;
  }
  if (status != 0) {
    reply(sync_fd_,
          status < 0 ? "failed timeout\n" : "failed " + std::to_string(exit_code(status)) + "\n");
    return false;
  }
  init_pid_ = static_cast<pid_t>(
      std::strtol(state::read_file(path(state::kPid)).value_or("0").c_str(), nullptr, 10));
  if (init_pid_ <= 0) {
    reply(sync_fd_, "failed the runtime wrote no pid\n");
    return false;
  }
  if (terminal && !take_terminal()) {
    reply(sync_fd_, "failed the runtime sent no terminal\n");
    return false;
  }
  state::Lines created;
  created.add("pid", init_pid_);
  created.add("pid_start_ticks", static_cast<std::int64_t>(state::start_ticks(init_pid_)));
  created.add("monitor_pid", ::getpid());
  created.add("boot_id", state::boot_id());
  created.add("at_ns", now_ns());
  // The end must be told also where the disk is full by then.
  if (!state::reserve_file(path(state::kExit)) ||
      !state::write_file(path(state::kCreated), created.print())) {
    reply(sync_fd_,
          std::string("failed state could not be written: ") + std::strerror(errno) + "\n");
    return false;
  }
  created_ = true;
  pass("monitor.after_create");
  reply(sync_fd_, "ok " + std::to_string(init_pid_) + " " + created.text("pid_start_ticks") + " " +
                      std::to_string(::getpid()) + "\n");
  reap();  // it may have ended while the runtime was still being waited for
  if (!first) escape_cgroup_meanwhile();
  return true;
}

// From here on all output comes from the terminal.
bool Monitor::take_terminal() {
  const int master = console_.receive();
  if (master < 0) return false;
  ::close(pipes_[0].read);
  pipes_[0].read = master;
  return true;
}

// Where the container's first process is not that of a pid namespace of its own, its end ends no
// other.
void Monitor::kill_stragglers() {
  if (config_.number("kill_all") == 0) return;
  for (const auto& cgroup : config_.all("cgroup")) kill_cgroup(cgroup);
}

// A service manager ends what is in the agent's cgroup with the agent.
bool Monitor::escape_cgroup(const std::string& pid) const {
  bool good = true;
  for (const auto& procs : config_.all("escape")) {
    const int fd = ::open(procs.c_str(), O_WRONLY | O_CLOEXEC);
    good = fd >= 0 && state::write_all(fd, pid) && good;
    if (fd >= 0) ::close(fd);
  }
  return good;
}

// The write waits for an RCU grace period, so a child does it.
void Monitor::escape_cgroup_meanwhile() const {
  if (!config_.find("escape")) return;
  const std::string self = std::to_string(::getpid());
  if (::fork() == 0) ::_exit(escape_cgroup(self) ? 0 : 1);
}

int Monitor::call(std::vector<std::string> arguments, bool with_output) {
  RuntimeCall one;
  one.argv = runtime_command();
  one.argv.insert(one.argv.end(), arguments.begin(), arguments.end());
  one.hide_cgroup2 = config_.number("hide_cgroup2") != 0;
  if (with_output) {
    one.stdin_fd = stdin_.read;
    one.stdout_fd = pipes_[0].write;
    one.stderr_fd = pipes_[1].write;
  }
  call_pid_ = spawn(one);
  if (call_pid_ < 0) return -1;
  const std::int64_t deadline = monotonic_ms() + config_.number("call_timeout_ms");
  bool killed = false;
  while (call_pid_ != 0) {
    const std::int64_t left = deadline - monotonic_ms();
    if (left <= 0 && !killed) {
      ::kill(call_pid_, SIGKILL);
      killed = true;
    }
    step(killed ? -1 : static_cast<int>(left));
  }
  return killed ? -1 : call_status_;
}

void Monitor::step(int timeout_ms) {
  // The program waits in its pipe for the log's reader, which tells by a file that there is room
  // again.
  const bool full = log_ && log_->full();
  if (full && (timeout_ms < 0 || timeout_ms > kFullAgainMs)) timeout_ms = kFullAgainMs;
  std::vector<pollfd> polled;
  const auto add = [&polled](int fd) { polled.push_back({fd, POLLIN, 0}); };
  add(signal_fd_);
  add(full ? -1 : pipes_[0].read);  // negative once closed, which poll ignores
  add(full ? -1 : pipes_[1].read);
  add(listen_fd_);
  for (const int client : clients_) add(client);
  if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) return;

  for (const std::size_t stream : {0u, 1u}) {
    if (polled[1 + stream].revents) read_output(stream);
  }
  if (polled[0].revents) {
    signalfd_siginfo ignored{};
    while (::read(signal_fd_, &ignored, sizeof ignored) > 0) {
    }
    reap();
  }
  // From the last to the first: serving one may remove it.
  for (std::size_t client = clients_.size(); client-- > 0;) {
    if (polled[4 + client].revents) serve(client);
  }
  if (polled[3].revents) accept_client();
}

void Monitor::accept_client() {
  const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (clients_.size() < kMaxClients) {
    clients_.push_back(fd);
  } else {
    ::close(fd);
  }
}

void Monitor::serve(std::size_t client) {
  const int fd = clients_[client];
  char text[64];
  const ssize_t n = ::recv(fd, text, sizeof text, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    ::close(fd);
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(client));
    return;
  }
  const std::string_view command(text, static_cast<std::size_t>(n));
  if (command == "start") {
    // During a call of the runtime the answer is not known yet; nobody who follows the protocol
    // asks.
    const std::string answer = call_pid_ != 0 || !created_ ? "error not created" : start();
    reply(fd, answer);
  } else if (command == "kill") {
    kill_wanted_ = true;
    if (created_) kill_container();
  }
}

void Monitor::reply(int fd, std::string_view text) {
  // MSG_NOSIGNAL needs a socket; SIGPIPE is ignored anyway, and who does not listen is none of our
  // concern.
  [[maybe_unused]] const bool written = state::write_all(fd, text);
}

std::string Monitor::start() {
  if (started_at_ns_ != 0) return "ok " + std::to_string(started_at_ns_);
  if (ended_ || kill_wanted_) return "error the container ended before its program ran";
  const std::int64_t at = now_ns();
  // Before the program runs, so that its absence proves that it never did.
  state::Lines started;
  started.add("at_ns", at);
  if (!state::write_file(path(state::kStarted), started.print())) {
    return std::string("error state could not be written: ") + std::strerror(errno);
  }
  started_at_ns_ = at;
  pass("monitor.before_start");
  if ((config_.number("quick") != 0 && release_program()) ||
      call({"start", config_.text("id")}, false) == 0) {
    pass("monitor.after_start");
    return "ok " + std::to_string(at);
  }
  ::unlink(path(state::kStarted).c_str());
  started_at_ns_ = 0;
  kill_container();
  return "error the runtime's start failed";
}

// What crun's own start does where no hooks are set, without the 5 ms of its process: the
// container's init waits for a byte from this pipe.
bool Monitor::release_program() {
  const std::string fifo = config_.text("runtime_state") + "/exec.fifo";
  const int fd = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  ::unlink(fifo.c_str());
  const bool good = state::write_all(fd, std::string_view("\0", 1));
  ::close(fd);
  return good;
}

void Monitor::kill_container() {
  // A child that was not reaped: its pid cannot have become another's.
  if (!ended_ && init_pid_ > 0) ::kill(init_pid_, SIGKILL);
}

void Monitor::read_output(std::size_t stream) {
  static char buffer[64 * 1024];
  for (;;) {
    const ssize_t n = ::read(pipes_[stream].read, buffer, sizeof buffer);
    if (n > 0) {
      log_->write(stream == 0 ? LogWriter::Stream::Stdout : LogWriter::Stream::Stderr,
                  {buffer, static_cast<std::size_t>(n)}, now_ns());
      // Let signals and clients have their turn between two full buffers.
      if (!ended_) return;
      continue;
    }
    if (n < 0 && (errno == EINTR)) continue;
    // A terminal tells its end so.
    if (n == 0 || errno == EIO) {
      ::close(pipes_[stream].read);
      pipes_[stream].read = -1;
    }
    return;
  }
}

void Monitor::reap() {
  for (;;) {
    int status = 0;
    // The container's init may end before its pid is known here: it is left unreaped until then.
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (!created_ && info.si_pid != call_pid_) {
      if (call_pid_ == 0) return;
      const pid_t called = ::waitpid(call_pid_, &status, WNOHANG);
      if (called != call_pid_) return;
      call_status_ = status;
      call_pid_ = 0;
      return;
    }
    const pid_t pid = ::waitpid(info.si_pid, &status, 0);
    if (pid == call_pid_) {
      call_status_ = status;
      call_pid_ = 0;
      if (!created_) return;
    } else if (pid == init_pid_) {
      init_status_ = status;
      finished_at_ns_ = now_ns();
      ended_ = true;
    }
  }
}

void Monitor::record_exit() {
  for (const std::size_t stream : {0u, 1u}) {
    if (pipes_[stream].read >= 0) read_output(stream);
  }
  log_->finish(finished_at_ns_);
  state::Lines exit;
  exit.add("exit_code", exit_code(init_status_));
  exit.add("signal", WIFSIGNALED(init_status_) ? WTERMSIG(init_status_) : 0);
  exit.add("oom_kills", count_oom_kills(config_.text("oom_file")));
  exit.add("started_at_ns", started_at_ns_);
  exit.add("finished_at_ns", finished_at_ns_);
  // A full disk must not turn an end into a mystery: its room was set aside, and where even that
  // fails, try once more without the wish to survive a power cut.
  if (!state::write_reserved(path(state::kExit), exit.print())) {
    state::write_file(path(state::kExit), exit.print());
  }
}

void Monitor::clean() {
  if (config_.number("quick") != 0 && created_ && clean_quickly()) return;
  call({"delete", "--force", config_.text("id")}, false);
  clean_quickly();
}

bool Monitor::clean_quickly() {
  bool good = true;
  for (const auto& cgroup : config_.all("cgroup")) good = remove_cgroup(cgroup) && good;
  return remove_tree(config_.text("runtime_state")) && good;
}

int Monitor::remove_leftovers() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  signal_fd_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  const auto cgroups = config_.all("cgroup");
  for (const auto& cgroup : cgroups) kill_cgroup(cgroup);
  clean();
  for (const auto& cgroup : cgroups) {
    if (::access(cgroup.c_str(), F_OK) == 0) {
      reply(sync_fd_, "failed processes remain in " + cgroup + "\n");
      return 1;
    }
  }
  reply(sync_fd_, "ok\n");
  return 0;
}

}  // namespace berth::runtime::monitor
