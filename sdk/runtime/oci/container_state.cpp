// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/container_state.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
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

bool is_process(const ContainerHandle& handle) {
  return handle.pid > 0 && handle.pid_start_ticks != 0 &&
         state::start_ticks(handle.pid) == handle.pid_start_ticks;
}

}  // namespace

bool monitor_alive(const std::string& state_dir) {
  const OwnedFd file(::open((state_dir + "/" + state::kContainer).c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = state::whole_file();
  return file && ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

OwnedFd open_init(const ContainerHandle& handle) {
  if (handle.pid <= 0) return OwnedFd();
  OwnedFd fd(static_cast<int>(::syscall(SYS_pidfd_open, handle.pid, 0)));
  // Checked while the descriptor holds on to whoever it is: afterwards it cannot become another.
  return fd && is_process(handle) ? std::move(fd) : OwnedFd();
}

OwnedFd connect_monitor(const std::string& state_dir) {
  const OwnedFd dir(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  OwnedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!dir || !fd) return OwnedFd();
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
  view.monitor_alive = monitor_alive(state_dir);
  const auto container = state::read_lines(state_dir + "/" + state::kContainer);
  if (!container) {
    struct stat info {};
    if (::stat(state_dir.c_str(), &info) != 0)
      return sdk::fail(BERTH_NOT_FOUND, "no container at " + state_dir);
    view.handle.id = state_dir.substr(state_dir.rfind('/') + 1);
    return view;  // its creator died before it had said what it is
  }
  view.handle.id = container->text("id");
  view.run = static_cast<std::uint32_t>(container->number("run"));
  const auto created = state::read_lines(state_dir + "/" + state::kCreated);
  if (created) {
    view.handle.pid = static_cast<pid_t>(created->number("pid"));
    view.handle.pid_start_ticks = static_cast<std::uint64_t>(created->number("pid_start_ticks"));
    view.handle.monitor_pid = static_cast<pid_t>(created->number("monitor_pid"));
    view.created_at_ns = created->number("at_ns");
    view.phase = ContainerPhase::Created;
  }
  if (const auto started = state::read_lines(state_dir + "/" + state::kStarted)) {
    view.started_at_ns = started->number("at_ns");
    view.phase = ContainerPhase::Running;
  }
  if (const auto exit = state::read_lines(state_dir + "/" + state::kExit)) {
    view.exit = exit_of(*exit);
    view.phase = ContainerPhase::Stopped;
  } else if (created && !view.monitor_alive &&
             (created->text("boot_id") != state::boot_id() || !is_process(view.handle))) {
    // Its monitor was killed, or the machine went down: it is over and nobody saw how.
    view.exit.emplace().started_at_ns = view.started_at_ns;
    view.phase = ContainerPhase::Stopped;
  }
  return view;
}

}  // namespace berth::runtime
