// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/netns.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace berth::runtime {
namespace {

sdk::Error error_here(const std::string& what) {
  const auto status = errno == EPERM ? BERTH_DENIED : BERTH_INTERNAL;
  return sdk::fail(status, what + ": " + std::strerror(errno));
}

// Devices that come later have IPv4 alone: we give them nothing else, and what one container
// announced by IPv6 would be its neighbours' way out. A kernel without IPv6 has no such file.
bool disable_ipv6(const char* device) {
  const std::string path = std::string("/proc/sys/net/ipv6/conf/") + device + "/disable_ipv6";
  const OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd ? ::write(fd.get(), "1", 1) == 1 : errno == ENOENT;
}

// In a thread that ends afterwards, since it stays in the new namespace.
sdk::Result<NamedNetns> make_here(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) return error_here("network namespace");
  OwnedFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd || ::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return error_here(path);
  }
  if (!disable_ipv6("default")) return error_here("net.ipv6.conf.default.disable_ipv6");
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  if (auto up = netlink->set_up("lo"); !up) return up.error();
  return NamedNetns{std::move(fd), std::move(*netlink)};
}

}  // namespace

sdk::Result<NamedNetns> make_netns(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (auto removed = remove_netns(path); !removed) return removed.error();
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return error_here(path);
  std::optional<sdk::Result<NamedNetns>> made;
  try {
    std::thread([&] { made.emplace(make_here(path)); }).join();
  } catch (const std::system_error& no_thread) {
    return sdk::fail(BERTH_UNAVAILABLE, no_thread.what());
  }
  if (!*made) {
    [[maybe_unused]] auto removed = remove_netns(path);
  }
  return std::move(*made);
}

sdk::Result<void> remove_netns(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return error_here(path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return error_here(path);
  return {};
}

sdk::Result<void> link_netns(const std::string& from, const std::string& to) {
  if (auto removed = remove_netns(to); !removed) return removed;
  const OwnedFd file(::open(to.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return error_here(to);
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  const auto error = error_here(to);
  ::unlink(to.c_str());
  return error;
}

sdk::Result<OwnedFd> in_netns(const std::string& path,
                              const std::function<sdk::Result<OwnedFd>()>& work) {
  const OwnedFd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return sdk::fail(BERTH_NOT_FOUND, "no network namespace " + path);
  std::optional<sdk::Result<OwnedFd>> out;
  try {
    // A thread that ends afterwards, since it stays in that namespace.
    std::thread([&] {
      if (::setns(netns.get(), CLONE_NEWNET) != 0) {
        out.emplace(error_here(path));
      } else {
        out.emplace(work());
      }
    }).join();
  } catch (const std::system_error& no_thread) {
    return sdk::fail(BERTH_UNAVAILABLE, no_thread.what());
  }
  return std::move(*out);
}

bool is_netns(const std::string& path) {
  constexpr long kNsfsMagic = 0x6e736673;
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == kNsfsMagic;
}

}  // namespace berth::runtime
