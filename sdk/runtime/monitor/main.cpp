// SPDX-License-Identifier: Apache-2.0
// berth-monitor STATE_DIR            runs the container that STATE_DIR/container describes
// berth-monitor --remove STATE_DIR   removes what a monitor that died left behind
// berth-monitor --exec EXEC_DIR      runs the process that EXEC_DIR/exec describes inside a running
// container The agent starts it with descriptor 3 as the sync descriptor; nobody else needs to.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sdk/runtime/monitor/exec_monitor.hpp"
#include "sdk/runtime/monitor/monitor.hpp"
#include "sdk/runtime/monitor/state_files.hpp"

namespace {

constexpr int kSync = 3;

enum class Stdio { Drop, Keep };

void detach(Stdio stdio) {
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3 && stdio == Stdio::Drop; ++fd) ::dup2(null, fd);
  ::syscall(SYS_close_range, kSync + 1, ~0u, 0);
  ::fcntl(kSync, F_SETFD, FD_CLOEXEC);
  ::umask(022);
  if (::chdir("/") != 0) ::_exit(1);
  // An orphan at once, so that the agent has no child to reap and its end changes nothing.
  const pid_t pid = ::fork();
  if (pid != 0) ::_exit(pid < 0 ? 1 : 0);
  ::setsid();
}

}  // namespace

int main(int argc, char** argv) {
  const bool remove = argc == 3 && std::strcmp(argv[1], "--remove") == 0;
  const bool exec = argc == 3 && std::strcmp(argv[1], "--exec") == 0;
  if (argc != 2 && !remove && !exec) {
    constexpr std::string_view kUsage =
        "usage: berth-monitor [--remove|--exec] STATE_DIR (started by berth-agent)\n";
    berth::runtime::state::write_all(2, kUsage);
    return 2;
  }
  const std::string dir = argv[argc - 1];
  detach(exec ? Stdio::Keep : Stdio::Drop);

  namespace state = berth::runtime::state;
  // Held to the end of the process. Whoever removes a half-made container holds it meanwhile, and
  // then the file is gone.
  const std::string file = dir + "/" + (exec ? state::kExec : state::kContainer);
  const int lock = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  struct flock whole = state::whole_file();
  struct stat info {};
  if (lock < 0 || ::fcntl(lock, F_OFD_SETLKW, &whole) != 0 || ::fstat(lock, &info) != 0 ||
      info.st_nlink == 0) {
    return 1;
  }
  auto config = state::read_lines(file);
  if (!config) return 1;
  if (exec) return berth::runtime::monitor::ExecMonitor(dir, std::move(*config), kSync).run();
  berth::runtime::monitor::Monitor monitor(dir, std::move(*config), kSync);
  return remove ? monitor.remove_leftovers() : monitor.run();
}
