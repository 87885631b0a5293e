// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/exec_session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "sdk/runtime/monitor/cleanup.hpp"
#include "sdk/runtime/monitor/runtime_call.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/oci/monitor_process.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

constexpr auto kLeftoverPatience = std::chrono::seconds(5);

sdk::Error failed(const std::string& what) {
  return sdk::fail(BERTH_INTERNAL, what + ": " + std::strerror(errno));
}

// A directory that no other exec has, also none that a dead process has left.
std::string make_directory(const std::string& execs_dir, const std::string& container) {
  static std::atomic<unsigned> next{0};
  for (int tries = 0; tries < 10'000; ++tries) {
    std::string dir = execs_dir + "/" + container + "." + std::to_string(next++);
    if (::mkdir(dir.c_str(), 0700) == 0) return dir;
    if (errno != EEXIST) break;
  }
  return {};
}

// The container's own process (user, environment, directory, capabilities, limits) with another
// command.
sdk::Result<std::string> process_json(const std::string& bundle, const ExecSpec& spec) {
  const auto text = state::read_file(bundle + "/config.json");
  boost::system::error_code error;
  auto config = boost::json::parse(text.value_or(""), error);
  auto* root = error ? nullptr : config.if_object();
  auto* own = root ? root->if_contains("process") : nullptr;
  if (!own || !own->is_object()) {
    return sdk::fail(BERTH_INTERNAL, "the container's configuration cannot be read");
  }
  auto& process = own->as_object();
  process["args"] = boost::json::array(spec.args.begin(), spec.args.end());
  process["terminal"] = spec.terminal.has_value();
  process.erase("consoleSize");
  if (spec.terminal) {
    process["consoleSize"] = {{"height", spec.terminal->rows}, {"width", spec.terminal->columns}};
    auto& env = process["env"];
    if (!env.is_array()) env = boost::json::array();
    const bool named = std::any_of(
        env.as_array().begin(), env.as_array().end(),
        [](const auto& one) { return one.is_string() && one.as_string().starts_with("TERM="); });
    if (!named) env.as_array().emplace_back("TERM=xterm");
  }
  return boost::json::serialize(process);
}

// A file without a name, in memory: the process's environment may hold secrets, which are on no
// disk.
OwnedFd file_in_memory(const std::string& text) {
  OwnedFd fd(::memfd_create("berth-exec", MFD_CLOEXEC));
  return fd && state::write_all(fd.get(), text) ? std::move(fd) : OwnedFd();
}

// Names a descriptor of ours for other programs, for as long as it is open.
std::string path_of(int fd) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd);
}

// A listening socket in `dir`, bound through its descriptor since a path may be longer than
// sockaddr_un holds.
OwnedFd listen_in(int dir) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + state::kConsole;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(fd.get(), 1) == 0) {
    return fd;
  }
  return OwnedFd();
}

// The descriptor that comes with the one message of a console socket.
OwnedFd receive_descriptor(int socket) {
  char byte[256];
  iovec data{byte, sizeof byte};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  pollfd polled{socket, POLLIN, 0};
  if (::poll(&polled, 1, 5'000) <= 0) return OwnedFd();
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0) return OwnedFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return OwnedFd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return OwnedFd(fd);
}

struct Ends {
  OwnedFd ours;
  OwnedFd theirs;
};

// Ours does not block; which end is ours is told by `write`.
bool make_pipe(Ends& ends, bool write) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return false;
  ends.ours = OwnedFd(fds[write ? 1 : 0]);
  ends.theirs = OwnedFd(fds[write ? 0 : 1]);
  return ::fcntl(ends.ours.get(), F_SETFL, O_NONBLOCK) == 0;
}

void end_leftover(const std::string& dir) {
  const auto lines = state::read_lines(dir + "/" + state::kExec);
  if (lines) {
    // Its monitor is ending it, or was killed as well; the lock tells.
    const OwnedFd lock(::open((dir + "/" + state::kExec).c_str(), O_RDWR | O_CLOEXEC));
    struct flock whole = state::whole_file();
    const auto deadline = std::chrono::steady_clock::now() + kLeftoverPatience;
    while (lock && ::fcntl(lock.get(), F_OFD_SETLK, &whole) != 0 &&
           std::chrono::steady_clock::now() < deadline) {
      ::poll(nullptr, 0, 5);
    }
    const auto number = [&](const char* name) {
      const auto text = state::read_file(dir + "/" + name).value_or("0");
      return static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
    };
    // Nothing is left of one whose monitor came to its end; a pid that is another's by now is not
    // in the container's cgroup.
    const bool ended = ::access((dir + "/" + state::kExit).c_str(), F_OK) == 0;
    const bool sandboxed = lines->number("sandbox") != 0;
    if (sandboxed && !ended) {
      monitor::end_in_sandbox(*lines, dir + "/" + state::kInternalPid);
    }
    for (const auto& cgroup : lines->all("cgroup")) {
      if (ended || sandboxed) break;
      monitor::kill_session({.pid = number(state::kPid), .session = number(state::kSession)},
                            cgroup);
    }
  }
  std::error_code error;
  fs::remove_all(dir, error);
}

}  // namespace

sdk::Result<std::unique_ptr<ExecSession>> ExecSession::start(const Place& place,
                                                             const ExecSpec& spec) {
  std::unique_ptr<ExecSession> process(new ExecSession);
  if (auto begun = process->begin(place, spec); !begun) return begun.error();
  return process;
}

sdk::Result<void> ExecSession::begin(const Place& place, const ExecSpec& spec) {
  const auto container = state::read_lines(place.container_dir + "/" + state::kContainer);
  if (!container) return sdk::fail(BERTH_NOT_FOUND, "the container is gone");
  const auto process = process_json(container->text("bundle"), spec);
  if (!process) return process.error();
  dir_ = make_directory(place.execs_dir, container->text("id"));
  if (dir_.empty()) return failed(place.execs_dir);
  terminal_ = spec.terminal.has_value();
  const OwnedFd dir(::open(dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  OwnedFd listener;
  state::Lines lines;
  for (const char* key : {"id", "runtime", "sandbox", "hide_cgroup2", "cgroup"}) {
    for (const auto& value : container->all(key)) lines.add(key, value);
  }
  lines.add("call_timeout_ms", place.timeout.count());
  if (terminal_) {
    listener = listen_in(dir.get());
    if (!listener) return failed(dir_);
    lines.add("console", path_of(dir.get()) + "/" + state::kConsole);
  }
  const OwnedFd order = file_in_memory(*process);
  lines.add("process", path_of(order.get()));
  if (!order || !state::write_file(dir_ + "/" + state::kExec, lines.print())) return failed(dir_);
  int sync[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) != 0)
    return failed("no socket");
  sync_ = OwnedFd(sync[0]);
  OwnedFd theirs(sync[1]);
  Ends input;
  Ends output;
  Ends errors;
  OwnedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const OwnedFd empty(container->number("empty_stdin") != 0 ? monitor::empty_input() : -1);
  const int no_input = empty ? empty.get() : null.get();
  if (!terminal_ && (!make_pipe(input, true) || !make_pipe(output, false) ||
                     (!spec.one_output && !make_pipe(errors, false)))) {
    return failed("no pipe");
  }
  // As the container's own: else a program could not open /dev/stdout again.
  if (!terminal_ && container->find("output_owner") != nullptr) {
    const auto owner = static_cast<uid_t>(container->number("output_owner"));
    for (const Ends* ends : {&output, &errors}) {
      if (ends->theirs && ::fchown(ends->theirs.get(), owner, owner) != 0) return failed("no pipe");
    }
  }
  const auto file = [&](const Ends& ends) { return terminal_ ? null.get() : ends.theirs.get(); };
  auto spawned = spawn_monitor({place.monitor, "--exec", dir_},
                               {spec.input ? file(input) : no_input, file(output),
                                file(spec.one_output ? output : errors), theirs.get()});
  if (!spawned) return spawned;
  if (!terminal_) {
    if (spec.input) input_ = std::move(input.ours);
    output_ = std::move(output.ours);
    errors_ = std::move(errors.ours);
  }
  // Their ends are the monitor's alone from here on: else no end of file would ever come.
  for (Ends* ends : {&input, &output, &errors}) ends->theirs = OwnedFd();
  theirs = OwnedFd();
  if (auto started = await_start(place); !started) return started;
  return terminal_ ? take_terminal(listener.get(), spec) : sdk::Result<void>{};
}

sdk::Result<void> ExecSession::await_start(const Place& place) {
  pollfd polled{sync_.get(), POLLIN, 0};
  const auto patience = place.timeout + kMonitorGrace;
  if (::poll(&polled, 1, static_cast<int>(patience.count())) <= 0) {
    return sdk::fail(BERTH_DEADLINE, "the command did not start in time");
  }
  char text[256];
  const ssize_t n = ::recv(sync_.get(), text, sizeof text, MSG_DONTWAIT);
  const std::string answer(text, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (answer.starts_with("ok ")) return {};
  if (answer == "failed timeout")
    return sdk::fail(BERTH_DEADLINE, "the command did not start in time");
  const std::string why = runtime_failure(dir_ + "/" + state::kRuntimeLog);
  if (!why.empty()) return sdk::fail(BERTH_INVALID, "the command cannot be run: " + why, "command");
  return sdk::fail(BERTH_UNAVAILABLE,
                   answer.empty() ? "the monitor died" : "the runtime's exec " + answer);
}

sdk::Result<void> ExecSession::take_terminal(int listener, const ExecSpec& spec) {
  pollfd polled{listener, POLLIN, 0};
  if (::poll(&polled, 1, 5'000) <= 0)
    return sdk::fail(BERTH_INTERNAL, "the runtime gave no terminal");
  const OwnedFd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  output_ = peer ? receive_descriptor(peer.get()) : OwnedFd();
  if (!output_) return sdk::fail(BERTH_INTERNAL, "the runtime gave no terminal");
  if (::fcntl(output_.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return failed("the terminal");
  if (spec.input) input_ = OwnedFd(::fcntl(output_.get(), F_DUPFD_CLOEXEC, 3));
  resize(*spec.terminal);
  return {};
}

ExecSession::~ExecSession() {
  sync_ = OwnedFd();  // its end is what the monitor goes by
  if (!dir_.empty()) end_leftover(dir_);
}

sdk::Result<std::optional<int>> ExecSession::poll_end() {
  if (ended_) return std::optional<int>();
  char text[64];
  const ssize_t n = ::recv(sync_.get(), text, sizeof text - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<int>();
  text[n > 0 ? n : 0] = 0;
  if (n > 0 && std::strncmp(text, "exit ", 5) == 0) {
    ended_ = true;
    return std::optional<int>(static_cast<int>(std::strtol(text + 5, nullptr, 10)));
  }
  end_leftover(dir_);
  ended_ = true;
  return sdk::fail(BERTH_UNAVAILABLE, "the monitor of the command was killed");
}

void ExecSession::signal(int signo) {
  const std::string text = "signal " + std::to_string(signo);
  ::send(sync_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ExecSession::resize(WindowSize size) {
  winsize window{};
  window.ws_row = size.rows;
  window.ws_col = size.columns;
  if (terminal_) ::ioctl(output_.get(), TIOCSWINSZ, &window);
}

void ExecSession::kill() {
  ::send(sync_.get(), "kill", 4, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ExecSession::end_leftovers(const std::string& execs_dir) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(execs_dir, error)) end_leftover(entry.path());
}

}  // namespace berth::runtime
