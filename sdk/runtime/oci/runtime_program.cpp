// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/runtime_program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "sdk/runtime/oci/container_state.hpp"

namespace berth::runtime {

sdk::Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    std::error_code error;
    auto path = std::filesystem::absolute(name, error).string();
    if (!error && ::access(path.c_str(), X_OK) == 0) return path;
    return sdk::fail(BERTH_NOT_FOUND, "the OCI runtime " + name + " is missing", "runtime");
  }
  const char* path = std::getenv("PATH");
  std::string_view rest =
      path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!rest.empty()) {
    const auto dir = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), dir.size() + 1));
    auto candidate = std::string(dir) + "/" + name;
    if (dir.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return sdk::fail(BERTH_NOT_FOUND, "the OCI runtime " + name + " is not in PATH", "runtime");
}

sdk::Result<std::string> program_version(const std::string& path) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sdk::fail(BERTH_UNAVAILABLE, "no pipe");
  const OwnedFd output(ends[0]);
  pid_t pid = 0;
  int error = 0;
  {
    const OwnedFd input(ends[1]);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, input.get(), STDOUT_FILENO);
    std::string program = path;
    std::string argument = "--version";
    char* argv[] = {program.data(), argument.data(), nullptr};
    error = ::posix_spawn(&pid, path.c_str(), &files, nullptr, argv, environ);
    ::posix_spawn_file_actions_destroy(&files);
  }
  std::string text;
  char buffer[512];
  ssize_t n = 0;
  while (error == 0 &&
         ((n = ::read(output.get(), buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))) {
    if (n > 0 && text.size() < 4096) text.append(buffer, static_cast<std::size_t>(n));
  }
  int status = 0;
  while (error == 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  text = text.substr(0, text.find('\n'));
  if (error != 0 || status != 0 || text.empty()) {
    return sdk::fail(BERTH_INTERNAL, path + " --version gives no answer", "runtime");
  }
  if (const auto at = text.find(" version "); at != std::string::npos) text.erase(at, 8);
  return text;
}

bool enters_user_namespaces(const std::string& version) {
  unsigned major = 0;
  unsigned minor = 0;
  if (std::sscanf(version.c_str(), "runc %u.%u", &major, &minor) != 2) return true;
  return major > 1 || (major == 1 && minor >= 3);
}

RuntimeKind runtime_kind(const std::string& path) {
  const auto name = std::filesystem::path(path).filename();
  if (name == "crun") return RuntimeKind::Crun;
  return name == "runsc" ? RuntimeKind::Sandbox : RuntimeKind::Plain;
}

std::vector<std::string> runtime_command(const std::string& path, const std::string& root,
                                         const std::vector<std::string>& own) {
  std::vector<std::string> words{path, "--root=" + root, "--log-format=json"};
  const RuntimeKind kind = runtime_kind(path);
  if (kind == RuntimeKind::Crun) words.emplace_back("--cgroup-manager=cgroupfs");
  if (kind == RuntimeKind::Sandbox) {
    // The network of the namespace that the task was given, by the host's kernel: runsc's own stack
    // does not see what the agent does in that namespace later, and some kernels do not let it in.
    words.emplace_back("--network=host");
    words.emplace_back("--net-raw");
  }
  words.insert(words.end(), own.begin(), own.end());
  return words;
}

sdk::Result<void> check_runtime_options(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (!word.starts_with("-") || word.find_first_of(" \n\r\t") != std::string::npos) {
      return sdk::fail(BERTH_INVALID, "'" + word + "' is not an option of one word",
                       "runtime_options");
    }
    const auto name = word.substr(0, word.find('=')).substr(word.starts_with("--") ? 2 : 1);
    for (const char* taken : {"root", "log", "log-format", "cgroup-manager", "systemd-cgroup"}) {
      if (name == taken) {
        return sdk::fail(BERTH_INVALID, "'" + word + "' is the agent's own to set",
                         "runtime_options");
      }
    }
  }
  return {};
}

}  // namespace berth::runtime
