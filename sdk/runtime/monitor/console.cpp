// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/console.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace berth::runtime::monitor {
namespace {

constexpr const char* kName = "console";

}  // namespace

ConsoleSocket::~ConsoleSocket() {
  if (listen_fd_ >= 0) {
    ::close(listen_fd_);
    ::unlink(file_.c_str());
  }
  if (dir_fd_ >= 0) ::close(dir_fd_);
}

bool ConsoleSocket::listen(const std::string& dir) {
  file_ = dir + "/" + kName;
  dir_fd_ = ::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd_ < 0) return false;
  ::unlink(file_.c_str());
  listen_fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  return listen_fd_ >= 0 &&
         ::bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(listen_fd_, 1) == 0;
}

std::string ConsoleSocket::path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(dir_fd_) + "/" + kName;
}

int ConsoleSocket::receive() const {
  const int peer = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (peer < 0) return -1;
  char name[512];
  iovec part{name, sizeof name};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  int master = -1;
  if (::recvmsg(peer, &message, MSG_CMSG_CLOEXEC) >= 0) {
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      std::memcpy(&master, CMSG_DATA(header), sizeof master);
      ::fcntl(master, F_SETFL, O_NONBLOCK);
    }
  }
  ::close(peer);
  return master;
}

}  // namespace berth::runtime::monitor
