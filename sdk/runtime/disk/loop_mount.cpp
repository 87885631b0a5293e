// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/loop_mount.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

using sdk::Result;

constexpr int kAttempts = 64;  // others take loop devices at the same time
constexpr unsigned kLoopMajor = 7;

sdk::Error failed(const std::string& what) {
  return sdk::fail(BERTH_INTERNAL, what + ": " + std::strerror(errno));
}

struct Loop {
  OwnedFd fd;
  std::string path;
};

// A device of the kernel's that nobody has named yet: /dev may be without udev.
Result<OwnedFd> open_device(int number, const std::string& path) {
  OwnedFd device(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!device && errno == ENOENT) {
    ::mknod(path.c_str(), S_IFBLK | 0600, makedev(kLoopMajor, static_cast<unsigned>(number)));
    device = OwnedFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  if (!device) return failed(path);
  return device;
}

Result<Loop> attach(int file) {
  const OwnedFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return failed("/dev/loop-control");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return failed("no loop device is free");
    const std::string path = "/dev/loop" + std::to_string(number);
    auto device = open_device(number, path);
    if (!device) return device.error();
    loop_config config{};
    config.fd = static_cast<__u32>(file);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device->get(), LOOP_CONFIGURE, &config) == 0) {
      return Loop{std::move(*device), path};
    }
    if (errno != EBUSY) return failed(path);
  }
  return sdk::fail(BERTH_UNAVAILABLE, "no loop device is free");
}

}  // namespace

bool is_mount_point(const std::string& path) {
  struct statx status {};
  return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<void> mount_image(const std::string& image, const std::string& target) {
  const OwnedFd file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return failed(image);
  auto loop = attach(file.get());
  if (!loop) return loop.error();
  // What is freed inside is given back to the host. The inode tables are zeros already: nothing
  // fills them in the background.
  if (::mount(loop->path.c_str(), target.c_str(), "ext4", MS_NOATIME, "discard,noinit_itable") !=
      0) {
    return failed("mounting " + image);
  }
  return {};
}

Result<void> unmount_image(const std::string& target) {
  for (int attempt = 0; attempt < 8 && is_mount_point(target); ++attempt) {
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0 || errno != EBUSY) continue;
    if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return failed(target);
  }
  if (!is_mount_point(target)) return {};
  return sdk::fail(BERTH_INTERNAL, target + " is still mounted");
}

}  // namespace berth::runtime
