// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/idmapped_mount.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::image {
namespace {

sdk::Error failed(const std::string& what) {
  return sdk::fail(BERTH_INTERNAL, what + ": " + std::strerror(errno));
}

bool write_map(const std::string& path, const std::string& text) {
  const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && state::write_all(file.get(), text);
}

// A child in a new user namespace that waits to be killed. Only the kernel is called in it: other
// threads of the agent may hold any lock.
pid_t spawn_holder(int ready) {
  const pid_t agent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != agent) ::_exit(1);  // it ended before
  const char answer = ::unshare(CLONE_NEWUSER) == 0 ? 1 : 0;
  [[maybe_unused]] const auto written = ::write(ready, &answer, 1);
  for (;;) ::pause();
}

}  // namespace

sdk::Result<OwnedFd> make_user_namespace(IdRange ids) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("no pipe");
  const OwnedFd read_end(ends[0]);
  OwnedFd write_end(ends[1]);
  const pid_t pid = spawn_holder(write_end.get());
  if (pid < 0) return failed("no process");
  write_end = OwnedFd();
  char answer = 0;
  while (::read(read_end.get(), &answer, 1) < 0 && errno == EINTR) {
  }
  sdk::Result<OwnedFd> out = sdk::fail(BERTH_PRECONDITION,
                                       "the kernel makes no user namespaces here "
                                       "(user.max_user_namespaces; nor for who lives in a chroot)");
  if (answer == 1) {
    const std::string proc = "/proc/" + std::to_string(pid);
    const std::string map =
        "0 " + std::to_string(ids.first) + " " + std::to_string(ids.count) + "\n";
    OwnedFd fd;
    if (write_map(proc + "/uid_map", map) && write_map(proc + "/gid_map", map)) {
      fd = OwnedFd(::open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
    }
    out = fd ? sdk::Result<OwnedFd>(std::move(fd)) : failed("a user namespace for " + map);
  }
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return out;
}

sdk::Result<void> mount_idmapped(const std::string& from, const std::string& to,
                                 int user_namespace) {
  const OwnedFd tree(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, from.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return failed("a copy of the mount of " + from);
  struct mount_attr attributes {};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(user_namespace);
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) !=
      0) {
    return sdk::fail(BERTH_PRECONDITION,
                     from + " cannot be shown with other owners: " + std::strerror(errno) +
                         "; user namespaces need Linux 5.19 and the data directory on ext4, xfs, "
                         "btrfs or tmpfs");
  }
  if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, to.c_str(), MOVE_MOUNT_F_EMPTY_PATH) !=
      0) {
    return failed("mounting at " + to);
  }
  return {};
}

}  // namespace berth::runtime::image
