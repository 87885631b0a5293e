// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/directory.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::secrets {
namespace {

constexpr std::size_t kMost = 64U << 10U;  // as Secrets Manager's

sdk::Result<std::string> read_all(int fd, const std::string& what) {
  std::string text;
  char buffer[8192];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sdk::fail(BERTH_DENIED, what + ": " + std::strerror(errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMost) return sdk::fail(BERTH_INVALID, what + " is larger than 64 KiB");
  }
}

}  // namespace

sdk::Result<std::string> Directory::read(const std::string& name) const {
  const std::string what = (path_ / name).string();
  if (name.empty() || name.starts_with('/') || name.find('\0') != std::string::npos) {
    return sdk::fail(BERTH_INVALID, "'" + name + "' is no name of a file");
  }
  const OwnedFd directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return sdk::fail(BERTH_DENIED, path_.string() + ": " + std::strerror(errno));
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const OwnedFd file(
      static_cast<int>(::syscall(SYS_openat2, directory.get(), name.c_str(), &how, sizeof how)));
  if (!file) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    return sdk::fail(missing ? BERTH_NOT_FOUND : BERTH_DENIED, what + ": " + std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return sdk::fail(BERTH_DENIED, what + " is no regular file");
  }
  if (holds_ == Holds::Secrets) {
    if ((status.st_mode & 077U) != 0) {
      return sdk::fail(BERTH_DENIED, what + " is open to others than its owner; chmod 600 it");
    }
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
      return sdk::fail(BERTH_DENIED, what + " belongs neither to root nor to the agent's user");
    }
  }
  auto text = read_all(file.get(), what);
  if (text && holds_ == Holds::Secrets && text->ends_with('\n')) text->pop_back();
  return text;
}

}  // namespace berth::runtime::secrets
