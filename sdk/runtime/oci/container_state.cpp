// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/container_state.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {
namespace {

ContainerExit exit_of(const state::Lines& lines) {
  ContainerExit out;
  out.exit_code = static_cast<int>(lines.number("exit_code"));
  out.signal = static_cast<int>(lines.number("signal"));
  out.oom_kills = static_cast<std::uint64_t>(lines.number("oom_kills"));
  out.started_at_ns = lines.number("started_at_ns");
  out.finished_at_ns = lines.number("finished_at_ns");
  return out;
}

bool is_absent(int why) {
  return why == ENOENT || why == ENOTDIR;
}

sdk::Error cannot_tell(const std::string& what) {
  return sdk::fail(BERTH_UNAVAILABLE, what + ": " + std::strerror(errno));
}

// Nothing where there is no such file.
sdk::Result<std::optional<state::Lines>> look(const std::string& path) {
  auto lines = state::read_lines(path);
  if (!lines && !is_absent(errno)) return cannot_tell(path);
  return lines;
}

sdk::Result<bool> is_process(const ContainerHandle& handle) {
  if (handle.pid <= 0 || handle.pid_start_ticks == 0) return false;
  errno = 0;
  const auto ticks = state::start_ticks(handle.pid);
  // A process that is gone is ENOENT, or ESRCH where it goes meanwhile.
  if (ticks == 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
    return cannot_tell("/proc/" + std::to_string(handle.pid) + "/stat");
  }
  return ticks == handle.pid_start_ticks;
}

}  // namespace

sdk::Result<bool> monitor_alive(const std::string& state_dir) {
  const std::string path = state_dir + "/" + state::kContainer;
  const OwnedFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file && is_absent(errno)) return false;
  struct flock lock = state::whole_file();
  if (!file || ::fcntl(file.get(), F_OFD_GETLK, &lock) != 0) return cannot_tell(path);
  return lock.l_type != F_UNLCK;
}

sdk::Result<OwnedFd> open_init(const ContainerHandle& handle) {
  if (handle.pid <= 0) return OwnedFd();
  OwnedFd fd(static_cast<int>(::syscall(SYS_pidfd_open, handle.pid, 0)));
  if (!fd && errno != ESRCH && errno != EINVAL) {
    return cannot_tell("process " + std::to_string(handle.pid));
  }
  if (!fd) return OwnedFd();
  // Checked while the descriptor holds on to whoever it is: afterwards it cannot become another.
  const auto same = is_process(handle);
  if (!same) return same.error();
  return *same ? std::move(fd) : OwnedFd();
}

sdk::Result<OwnedFd> connect_monitor(const std::string& state_dir) {
  const OwnedFd dir(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir && is_absent(errno)) return OwnedFd();
  OwnedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!dir || !fd) return cannot_tell("monitor in " + state_dir);
  // Through the directory's descriptor, since a path may be longer than sockaddr_un holds.
  const std::string path = "/proc/self/fd/" + std::to_string(dir.get()) + "/" + state::kControl;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return OwnedFd();
  return fd;
}

sdk::Result<ContainerView> read_view(const std::string& state_dir) {
  ContainerView view;
  // Asked before the files are read: a monitor that ends in between has written its exit by then.
  const auto alive = monitor_alive(state_dir);
  if (!alive) return alive.error();
  view.monitor_alive = *alive;
  const auto found = look(state_dir + "/" + state::kContainer);
  if (!found) return found.error();
  const auto& container = *found;
  if (!container) {
    struct stat info {};
    if (::stat(state_dir.c_str(), &info) != 0) {
      if (!is_absent(errno)) return cannot_tell(state_dir);
      return sdk::fail(BERTH_NOT_FOUND, "no container at " + state_dir);
    }
    view.handle.id = state_dir.substr(state_dir.rfind('/') + 1);
    return view;  // its creator died before it had said what it is
  }
  view.handle.id = container->text("id");
  view.run = static_cast<std::uint32_t>(container->number("run"));
  const auto created = look(state_dir + "/" + state::kCreated);
  if (!created) return created.error();
  if (*created) {
    view.handle.pid = static_cast<pid_t>((*created)->number("pid"));
    view.handle.pid_start_ticks = static_cast<std::uint64_t>((*created)->number("pid_start_ticks"));
    view.handle.monitor_pid = static_cast<pid_t>((*created)->number("monitor_pid"));
    view.created_at_ns = (*created)->number("at_ns");
    view.phase = ContainerPhase::Created;
  }
  const auto started = look(state_dir + "/" + state::kStarted);
  if (!started) return started.error();
  if (*started) {
    view.started_at_ns = (*started)->number("at_ns");
    view.phase = ContainerPhase::Running;
  }
  const auto exit = look(state_dir + "/" + state::kExit);
  if (!exit) return exit.error();
  if (*exit) {
    view.exit = exit_of(**exit);
    view.phase = ContainerPhase::Stopped;
  } else if (*created && !view.monitor_alive) {
    const std::string boot = state::boot_id();
    if (boot.empty()) return cannot_tell("boot_id");
    const auto runs = (*created)->text("boot_id") == boot ? is_process(view.handle) : sdk::Result<bool>(false);
    if (!runs) return runs.error();
    if (*runs) return view;
    // Its monitor was killed, or the machine went down: it is over and nobody saw how.
    view.exit.emplace().started_at_ns = view.started_at_ns;
    view.phase = ContainerPhase::Stopped;
  }
  return view;
}

}  // namespace berth::runtime
