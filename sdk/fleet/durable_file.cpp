// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/durable_file.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace berth::fleet {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

sdk::Error failed(const char* what, const std::filesystem::path& path) {
  const int error = errno;
  return sdk::fail(error == ENOENT ? BERTH_NOT_FOUND : BERTH_INTERNAL,
                   std::string("cannot ") + what + " " + path.string() + ": " +
                       std::generic_category().message(error));
}

sdk::Result<void> sync_directory(const std::filesystem::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return failed("sync", path);
  return {};
}

}  // namespace

sdk::Result<void> write_durably(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  const std::filesystem::path beside = path.string() + ".new";
  ::unlink(beside.c_str());
  {
    const Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (file.get() < 0) return failed("create", beside);
    while (!content.empty()) {
      const ssize_t written = ::write(file.get(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write", beside);
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0) return failed("sync", beside);
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("rename to", path);
  return sync_directory(path.parent_path());
}

sdk::Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return failed("open", path);
  std::string content;
  char piece[8192];
  for (;;) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) return content;
    content.append(piece, static_cast<std::size_t>(got));
    if (content.size() > limit) return sdk::fail(BERTH_INVALID, path.string() + " is too large");
  }
}

sdk::Result<void> remove_durably(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return failed("remove", path);
  }
  return sync_directory(path.parent_path());
}

sdk::Result<void> make_private_directory(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return sdk::fail(BERTH_INTERNAL, "cannot make " + path.parent_path().string() + ": " + error.message());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("make", path);
  if (::chmod(path.c_str(), 0700) != 0) return failed("change the mode of", path);
  return {};
}

}  // namespace berth::fleet
