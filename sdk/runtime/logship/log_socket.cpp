// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/log_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace berth::runtime {
namespace {

// How long a cancelled call goes on at most.
constexpr std::chrono::milliseconds kLook{100};

}  // namespace

std::string LogSocket::text() const {
  switch (address_.kind) {
    case LogAddress::Kind::Tcp: return "tcp://" + address_.host + ":" + std::to_string(address_.port);
    case LogAddress::Kind::Udp: return "udp://" + address_.host + ":" + std::to_string(address_.port);
    default: return "unix://" + address_.host;
  }
}

sdk::Error LogSocket::failure(const std::string& what) const {
  return sdk::fail(BERTH_UNAVAILABLE, text() + ": " + what);
}

sdk::Result<void> LogSocket::wait(short events, std::stop_token cancel) {
  const auto deadline = std::chrono::steady_clock::now() + timeout_;
  for (;;) {
    if (cancel.stop_requested()) return sdk::fail(BERTH_CANCELLED, "cancelled");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return failure("no progress for " + std::to_string(timeout_.count()) + " ms");
    pollfd polled{fd_.get(), events, 0};
    if (::poll(&polled, 1, static_cast<int>(std::min(left, kLook).count())) > 0) return {};
  }
}

// A peer that has gone is told by the end of what it sends; a write would be accepted and lost.
bool LogSocket::has_hung_up() const {
  char byte = 0;
  const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

sdk::Result<void> LogSocket::connect_to(int family, int type, const void* address, unsigned size, std::stop_token cancel) {
  fd_ = OwnedFd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return failure(std::strerror(errno));
  if (::connect(fd_.get(), static_cast<const sockaddr*>(address), size) != 0) {
    if (errno != EINPROGRESS) {
      const int why = errno;
      close();
      return failure(std::strerror(why));
    }
    auto ready = wait(POLLOUT, cancel);
    int error = 0;
    socklen_t length = sizeof error;
    if (ready) ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (ready && error != 0) ready = failure(std::strerror(error));
    if (!ready) {
      close();
      return ready;
    }
  }
  return {};
}

// By a descriptor of the very file: what the container puts there may be a link to a socket of the host.
sdk::Result<void> LogSocket::connect_in_container(std::stop_token cancel) {
  const OwnedFd file(::open(address_.host.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return failure(std::strerror(errno));
  if (!S_ISSOCK(status.st_mode)) return failure("it is no socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connect_to(AF_UNIX, SOCK_STREAM, &address, sizeof address, cancel);
}

sdk::Result<void> LogSocket::connect(std::stop_token cancel) {
  if (fd_ && (is_datagram() || !has_hung_up())) return {};
  close();
  if (address_.kind == LogAddress::Kind::ContainerUnix) return connect_in_container(cancel);
  const int type = is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  if (address_.kind == LogAddress::Kind::Unix || address_.kind == LogAddress::Kind::UnixDatagram) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    address_.host.copy(address.sun_path, sizeof address.sun_path - 1);
    return connect_to(AF_UNIX, type, &address, sizeof address, cancel);
  }
  const auto found = lookup_.addresses(timeout_, cancel);
  if (!found) return found.error().status == BERTH_CANCELLED ? found.error() : failure(found.error().message);
  sdk::Result<void> result = failure("no address");
  for (const SocketAddress& one : *found) {
    result = connect_to(one.bytes.ss_family, type, &one.bytes, one.size, cancel);
    if (result || cancel.stop_requested()) break;
  }
  return result;
}

sdk::Result<void> LogSocket::write(std::string_view bytes, std::stop_token cancel) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    const int why = errno;
    sdk::Result<void> ready = failure(std::strerror(why));
    if (why == EAGAIN) ready = wait(POLLOUT, cancel);
    if (!ready) {
      close();
      if (why == EMSGSIZE) return sdk::fail(BERTH_INVALID, text() + ": the message is too long for it");
      return ready;
    }
  }
  return {};
}

sdk::Result<std::string> LogSocket::read(std::stop_token cancel) {
  for (;;) {
    char buffer[4096];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) return std::string(buffer, static_cast<std::size_t>(got));
    if (got < 0 && errno == EINTR) continue;
    sdk::Result<void> ready = failure(got == 0 ? "it hung up" : std::strerror(errno));
    if (got < 0 && errno == EAGAIN) ready = wait(POLLIN, cancel);
    if (ready) continue;
    close();
    return ready.error();
  }
}

}  // namespace berth::runtime
