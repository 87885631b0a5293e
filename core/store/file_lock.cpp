// SPDX-License-Identifier: Apache-2.0
#include "core/store/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace berth::store {

Result<int> lock_beside(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(file.parent_path(), ignored)) {
    return fail(Errc::NotFound,
                "store: the directory " + file.parent_path().string() + " does not exist",
                Subject::Store, file.string());
  }
  const std::string path = file.string() + ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const int error = errno;
    const bool denied = error == EACCES || error == EPERM || error == EROFS;
    return fail(denied ? Errc::Denied : Errc::Internal,
                "store: " + path + " cannot be written: " + std::strerror(error), Subject::Store,
                file.string());
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char owner[16] = {};
    const ssize_t size = ::pread(fd, owner, sizeof owner - 1, 0);
    ::close(fd);
    return fail(Errc::Unavailable,
                "store: " + file.string() + " is in use by another process" +
                    (size > 0 ? " (pid " + std::string(owner, strcspn(owner, "\n")) + ")" : ""),
                Subject::Store, file.string());
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // The pid is for people; without it the lock holds as well.
  if (::ftruncate(fd, 0) == 0) static_cast<void>(!::pwrite(fd, pid.data(), pid.size(), 0));
  return fd;
}

}  // namespace berth::store
