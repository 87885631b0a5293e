// SPDX-License-Identifier: Apache-2.0
#include "core/cli/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>

namespace berth::cli {
namespace {

std::vector<char*> arguments(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  return argv;
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

// True once a line has come; false when the other end closed or time ran out.
bool line_within(int fd, std::chrono::seconds patience) {
  pollfd waiting{fd, POLLIN, 0};
  const auto ms = static_cast<int>(std::chrono::milliseconds(patience).count());
  char buffer[64];
  return ::poll(&waiting, 1, ms) == 1 && ::read(fd, buffer, sizeof buffer) > 0;
}

[[noreturn]] void become(const Spawn& request, const std::vector<std::string>& command) {
  if (request.detach) ::setsid();
  const int log = ::open(request.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (log >= 0) {
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
  }
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execv(command.front().c_str(), arguments(command).data());
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", command.front().c_str(), std::strerror(errno));
  ::_exit(127);
}

}  // namespace

std::filesystem::path program_dir() {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
}

std::optional<pid_t> running(const std::filesystem::path& pid_file, const std::string& program) {
  std::ifstream in(pid_file);
  pid_t pid = 0;
  if (!(in >> pid) || pid <= 1 || ::kill(pid, 0) != 0) return std::nullopt;
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(comm, name);
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(stat, line);
  const auto state = line.rfind(") ");
  const bool zombie = state != std::string::npos && line[state + 2] == 'Z';
  if (name != program.substr(0, 15) || zombie) return std::nullopt;
  return pid;
}

Result<std::string> output_of(const std::vector<std::string>& command) {
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
    return fail(Errc::Internal, std::string("pipe: ") + std::strerror(errno));
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::execv(command.front().c_str(), arguments(command).data());
    ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", command.front().c_str(), std::strerror(errno));
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  const std::string text = read_all(out[0]);
  std::string errors = read_all(err[0]);
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid || status != 0) {
    errors.erase(errors.find_last_not_of('\n') + 1);
    return fail(Errc::Invalid, errors.empty() ? command.front() + " failed" : errors);
  }
  return text;
}

Result<pid_t> spawn(const Spawn& request) {
  std::vector<std::string> command = request.command;
  int ready[2] = {-1, -1};
  if (request.await_ready) {
    if (::pipe(ready) != 0) return fail(Errc::Internal, std::string("pipe: ") + std::strerror(errno));
    ::fcntl(ready[0], F_SETFD, FD_CLOEXEC);
    command.insert(command.end(), {"--ready-fd", std::to_string(ready[1])});
  }
  const std::uintmax_t before = length_of(request.log);
  const pid_t pid = ::fork();
  if (pid < 0) return fail(Errc::Internal, std::string("fork: ") + std::strerror(errno));
  if (pid == 0) become(request, command);
  if (!request.await_ready) return pid;
  ::close(ready[1]);
  const bool up = line_within(ready[0], request.patience);
  ::close(ready[0]);
  if (up) return pid;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return fail(Errc::Unavailable, std::filesystem::path(command.front()).filename().string() +
                                     " did not come up; its log " + request.log.string() +
                                     " ends with:\n" + last_lines(request.log, 10, before));
}

void end_process(pid_t pid, std::chrono::seconds patience) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return;  // gone already
  ::kill(pid, SIGTERM);
  pollfd waiting{fd, POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 0) {
    ::kill(pid, SIGKILL);
    ::poll(&waiting, 1, 10000);
  }
  ::close(fd);
  ::waitpid(pid, nullptr, WNOHANG);  // where it is a child of ours
}

std::uintmax_t length_of(const std::filesystem::path& log) {
  std::error_code ec;
  const std::uintmax_t length = std::filesystem::file_size(log, ec);
  return ec ? 0 : length;
}

std::string last_lines(const std::filesystem::path& log, int count, std::uintmax_t skip) {
  std::ifstream in(log);
  in.seekg(static_cast<std::streamoff>(skip));
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (static_cast<int>(lines.size()) > count) lines.pop_front();
  }
  std::string text;
  for (const auto& line : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace berth::cli
