// SPDX-License-Identifier: Apache-2.0
#include "tests/support/host_events.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace berth::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

HostEvents::~HostEvents() {
  for (const Source& source : sources_) ::close(source.fd);
}

HostEvents& HostEvents::watch_directory(const std::filesystem::path& directory) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) fail("inotify_init1");
  sources_.push_back({fd, false});
  constexpr unsigned kChanges = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE;
  if (::inotify_add_watch(fd, directory.c_str(), kChanges) < 0) fail(directory.c_str());
  return *this;
}

HostEvents& HostEvents::watch_end(pid_t pid) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0 && errno != ESRCH) fail("pidfd_open");
  if (fd >= 0) sources_.push_back({fd, true});  // otherwise it is gone already
  return *this;
}

HostEvents& HostEvents::watch_links() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  sources_.push_back({fd, false});
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  return *this;
}

bool HostEvents::until(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !await_one(left)) return holds();
  }
  return true;
}

bool HostEvents::await_one(std::chrono::milliseconds limit) {
  std::vector<pollfd> polled;
  for (const Source& source : sources_) polled.push_back({source.fd, POLLIN, 0});
  int ready = 0;
  do {
    ready = ::poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return false;
  for (std::size_t i = polled.size(); i-- > 0;) {
    if (polled[i].revents == 0) continue;
    char buffer[4096];
    while (!sources_[i].once && ::read(sources_[i].fd, buffer, sizeof buffer) > 0) continue;
    if (!sources_[i].once) continue;
    ::close(sources_[i].fd);
    sources_.erase(sources_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return true;
}

}  // namespace berth::test
