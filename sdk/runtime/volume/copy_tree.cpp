// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/volume/copy_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sdk/runtime/image/file.hpp"

namespace berth::runtime::volume {
namespace {

using image::Fd;
using image::system_error;
using sdk::Result;

constexpr int kMostDepth = 128;  // one descriptor of each side a level

class TreeCopy {
 public:
  explicit TreeCopy(int root) : root_(root) {}
  Result<void> directory(int from, int to, const std::string& path, int depth);

 private:
  Result<void> entry(int from, int to, const std::string& name, const std::string& path, int depth);
  Result<void> file(int from, int to, const std::string& name, const struct stat& info);
  Result<void> link(int from, int to, const std::string& name);

  int root_;
  // Files with several names: what they were copied as, from the root.
  std::map<std::pair<dev_t, ino_t>, std::string> copied_;
};

bool is_overlays_own(std::string_view name) {
  return name.starts_with("trusted.overlay.");
}

// Where the file system of the volume knows no such attribute the copy goes without.
void copy_xattrs(int from, int to) {
  const ssize_t size = ::flistxattr(from, nullptr, 0);
  if (size <= 0) return;
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t got = ::flistxattr(from, names.data(), names.size());
  if (got <= 0) return;
  for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (is_overlays_own(name)) continue;
    const ssize_t length = ::fgetxattr(from, name.c_str(), nullptr, 0);
    if (length < 0) continue;
    std::string value(static_cast<std::size_t>(length), '\0');
    const ssize_t read = ::fgetxattr(from, name.c_str(), value.data(), value.size());
    if (read >= 0) {
      ::fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(read), 0);
    }
  }
}

// Mode last: a change of the owner takes setuid away.
bool take_attributes(int to, const struct stat& info) {
  const struct timespec times[2] = {info.st_atim, info.st_mtim};
  return ::fchown(to, info.st_uid, info.st_gid) == 0 && ::fchmod(to, info.st_mode & 07777) == 0 &&
         ::futimens(to, times) == 0;
}

Result<void> copy_bytes(int from, int to, const std::string& name) {
  std::vector<char> buffer(256 * 1024);
  for (;;) {
    const ssize_t read = ::read(from, buffer.data(), buffer.size());
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return system_error(name, errno);
    if (read == 0) return {};
    for (ssize_t done = 0; done < read;) {
      const ssize_t n = ::write(to, buffer.data() + done, static_cast<std::size_t>(read - done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(name, errno);
      done += n;
    }
  }
}

Result<void> TreeCopy::file(int from, int to, const std::string& name, const struct stat& info) {
  const Fd source(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return system_error(name, errno);
  const Fd target(
      ::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!target) return system_error(name, errno);
  if (auto copied = copy_bytes(source.get(), target.get(), name); !copied) return copied;
  // Before the xattrs: a change of the owner takes file capabilities away.
  if (!take_attributes(target.get(), info)) return system_error(name, errno);
  copy_xattrs(source.get(), target.get());
  return {};
}

Result<void> TreeCopy::link(int from, int to, const std::string& name) {
  std::string text(4096, '\0');
  const ssize_t size = ::readlinkat(from, name.c_str(), text.data(), text.size());
  if (size < 0) return system_error(name, errno);
  text.resize(static_cast<std::size_t>(size));
  if (::symlinkat(text.c_str(), to, name.c_str()) != 0) return system_error(name, errno);
  return {};
}

Result<void> TreeCopy::entry(int from, int to, const std::string& name, const std::string& path,
                             int depth) {
  struct stat info {};
  if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return system_error(path, errno);
  if (S_ISDIR(info.st_mode)) {
    const Fd source(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) return system_error(path, errno);
    auto target = image::make_and_open(to, name.c_str(), 0700);
    if (!target) return target.error();
    return directory(source.get(), target->get(), path + "/", depth + 1);
  }
  if (info.st_nlink > 1) {
    const auto [known, fresh] = copied_.emplace(std::pair(info.st_dev, info.st_ino), path);
    if (!fresh) {
      if (::linkat(root_, known->second.c_str(), to, name.c_str(), 0) == 0) return {};
      return system_error(path, errno);
    }
  }
  if (S_ISREG(info.st_mode)) return file(from, to, name, info);
  if (S_ISLNK(info.st_mode)) {
    if (auto linked = link(from, to, name); !linked) return linked;
  } else if (::mknodat(to, name.c_str(), info.st_mode, info.st_rdev) != 0) {
    return system_error(path, errno);
  } else if (::fchmodat(to, name.c_str(), info.st_mode & 07777, 0) != 0) {
    return system_error(path, errno);
  }
  if (::fchownat(to, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error(path, errno);
  }
  return {};
}

Result<void> TreeCopy::directory(int from, int to, const std::string& path, int depth) {
  if (depth > kMostDepth) return sdk::fail(BERTH_INVALID, path + " is too deep to be copied");
  const int own = ::openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = own < 0 ? nullptr : ::fdopendir(own);
  if (list == nullptr) {
    const int why = errno;
    if (own >= 0) ::close(own);
    return system_error(path, why);
  }
  Result<void> done;
  while (const dirent* one = ::readdir(list)) {
    const std::string name = one->d_name;
    if (name == "." || name == "..") continue;
    done = entry(from, to, name, path + name, depth);
    if (!done) break;
  }
  ::closedir(list);
  if (!done) return done;
  struct stat info {};
  if (::fstat(from, &info) != 0 || !take_attributes(to, info)) return system_error(path, errno);
  copy_xattrs(from, to);
  return {};
}

}  // namespace

Result<void> copy_tree(int from, int to) {
  return TreeCopy(to).directory(from, to, "", 0);
}

}  // namespace berth::runtime::volume
