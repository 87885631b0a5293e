// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace berth::runtime::image {
namespace {

Fd open_resolving(int root, const char* path, int flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = resolve;
  // EAGAIN: somebody renamed meanwhile and the kernel could not be sure. A few attempts always do
  // here.
  for (int attempt = 0; attempt < 16; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) return Fd{static_cast<int>(fd)};
  }
  return {};
}

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

struct Entry {
  std::string name;
  bool is_directory = false;
};

// The entries of a directory, read at once: removing while reading may skip some.
sdk::Result<std::vector<Entry>> list(int directory) {
  Fd own{openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::unique_ptr<DIR, DirCloser> dir{own ? fdopendir(own.get()) : nullptr};
  if (!dir) return system_error("reading a directory", errno);
  (void)own.release();  // closedir closes it
  std::vector<Entry> out;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat status {};
      is_directory = fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISDIR(status.st_mode);
    }
    out.push_back({std::string{name}, is_directory});
  }
  return out;
}

// Empties `directory`, a child of `top` (or top itself): its own directories move up into top, for
// a later round.
sdk::Result<void> empty_into(int top, int directory, std::uint64_t& serial) {
  auto entries = list(directory);
  if (!entries) return entries.error();
  for (const Entry& entry : *entries) {
    const char* name = entry.name.c_str();
    if (!entry.is_directory) {
      if (unlinkat(directory, name, 0) != 0 && errno != ENOENT) {
        return system_error("removing " + entry.name, errno);
      }
      continue;
    }
    if (unlinkat(directory, name, AT_REMOVEDIR) == 0) continue;
    if (errno != ENOTEMPTY && errno != EEXIST) return system_error("removing " + entry.name, errno);
    // A name that an image may have taken on purpose is passed over.
    while (renameat(directory, name, top, (".berth-removed-" + std::to_string(serial++)).c_str()) !=
           0) {
      if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) {
        return system_error("removing " + entry.name, errno);
      }
    }
  }
  return {};
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

sdk::Error system_error(std::string_view what, int error) {
  berth_status status = BERTH_INTERNAL;
  if (error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE) {
    status = BERTH_NO_CAPACITY;
  }
  if (error == ELOOP || error == ENOTDIR || error == ENAMETOOLONG || error == EXDEV) {
    status = BERTH_INVALID;
  }
  char words[128];
  // NOLINTNEXTLINE: the GNU variant returns what to print
  return sdk::fail(status, std::string{what} + ": " + strerror_r(error, words, sizeof words));
}

Fd open_in_root(int root, const char* path, int flags) {
  return open_resolving(root, path, flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

Fd open_without_links(int root, const char* path, int flags) {
  return open_resolving(root, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

sdk::Result<Fd> make_and_open(int parent, const char* name, mode_t mode) {
  if (mkdirat(parent, name, mode) != 0 && errno != EEXIST) return system_error(name, errno);
  Fd fd = open_without_links(parent, name, O_RDONLY | O_DIRECTORY);
  if (!fd) return system_error(name, errno);
  return fd;
}

sdk::Result<void> remove_tree(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return system_error("removing", errno);
  const Fd top = open_without_links(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!top) return system_error("removing", errno);
  std::uint64_t serial = 0;
  while (true) {
    auto entries = list(top.get());
    if (!entries) return entries.error();
    if (entries->empty()) break;
    for (const Entry& entry : *entries) {
      const char* child_name = entry.name.c_str();
      if (!entry.is_directory) {
        if (unlinkat(top.get(), child_name, 0) != 0 && errno != ENOENT) {
          return system_error("removing " + entry.name, errno);
        }
        continue;
      }
      const Fd child = open_without_links(top.get(), child_name, O_RDONLY | O_DIRECTORY);
      if (!child) return system_error("removing " + entry.name, errno);
      if (const auto emptied = empty_into(top.get(), child.get(), serial); !emptied) return emptied;
      if (unlinkat(top.get(), child_name, AT_REMOVEDIR) != 0) {
        return system_error("removing " + entry.name, errno);
      }
    }
  }
  if (unlinkat(parent, name, AT_REMOVEDIR) != 0) return system_error("removing", errno);
  return {};
}

sdk::Result<std::string> read_file(int directory, const char* name, std::size_t most) {
  const Fd file{openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) {
    return errno == ENOENT ? sdk::fail(BERTH_NOT_FOUND, std::string{name} + " is not there")
                           : system_error(name, errno);
  }
  std::string out;
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0) return system_error(name, errno);
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > most) return sdk::fail(BERTH_INVALID, std::string{name} + " is too long");
  }
}

sdk::Result<void> write_file(int directory, const std::string& name, std::string_view content,
                             Lasting lasting) {
  const std::string draft = name + ".new";
  const Fd file{openat(directory, draft.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return system_error(draft, errno);
  while (!content.empty()) {
    const ssize_t put = write(file.get(), content.data(), content.size());
    if (put < 0) return system_error(draft, errno);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  const bool sync = lasting == Lasting::OverPowerLoss;
  if (sync && fsync(file.get()) != 0) return system_error(draft, errno);
  if (renameat(directory, draft.c_str(), directory, name.c_str()) != 0 ||
      (sync && fsync(directory) != 0)) {
    return system_error(name, errno);
  }
  return {};
}

}  // namespace berth::runtime::image
