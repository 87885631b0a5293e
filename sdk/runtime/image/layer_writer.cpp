// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/layer_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace berth::runtime::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kAufs = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxRemembered = 256u << 20;
constexpr const char* kNoPath = "/";  // no clean path equals it

std::string quoted(std::string_view path) {
  std::string out = "'";
  for (const char c : path.substr(0, 200)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out + (path.size() > 200 ? "...'" : "'");
}

sdk::Error refused(std::string_view path, std::string_view why) {
  return sdk::fail(BERTH_INVALID, "the layer's entry " + quoted(path) + " " + std::string{why});
}

sdk::Error failed(std::string_view path, int error) {
  return system_error("unpacking " + quoted(path), error);
}

// "./a//b/" -> "a/b"; the root is "".
sdk::Result<std::string> clean(std::string_view path) {
  if (path.size() > kMaxPath) return refused(path, "has a path longer than 4095 bytes");
  if (path.find('\0') != std::string_view::npos) return refused(path, "has a NUL in its path");
  std::string out;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") return refused(path, "leads out of the layer by '..'");
    if (part.size() > 255) return refused(path, "has a name longer than 255 bytes");
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

// Whether a whiteout's name is used as a directory on the way.
bool goes_through_whiteout(std::string_view parent, bool aufs) {
  std::size_t at = 0;
  while (at < parent.size()) {
    const std::size_t slash = std::min(parent.find('/', at), parent.size());
    const std::string_view part = parent.substr(at, slash - at);
    if (part.starts_with(aufs ? kAufs : kWhiteout)) return true;
    at = slash + 1;
  }
  return false;
}

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

// Those that a container's own /dev has: they give nothing that it lacks.
bool is_harmless_device(const Entry& entry) {
  static constexpr std::array<std::pair<unsigned, unsigned>, 7> kHarmless{
      {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}}};
  return S_ISCHR(entry.mode) &&
         std::ranges::find(kHarmless, std::pair{major(entry.device), minor(entry.device)}) !=
             kHarmless.end();
}

bool is_wanted_xattr(std::string_view name) {
  if (name.starts_with("user.")) return !name.starts_with("user.overlay.");
  return name == "security.capability" || name == "system.posix_acl_access" ||
         name == "system.posix_acl_default";
}

// Owner first: a change of owner clears setuid bits and capabilities.
int set_attributes(int fd, const Entry& entry) {
  if (fchown(fd, entry.uid, entry.gid) != 0 || fchmod(fd, entry.mode & 07777) != 0) return errno;
  for (const auto& [name, value] : entry.xattrs) {
    if (!is_wanted_xattr(name)) continue;
    if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    // A file system without users' attributes or ACLs still holds the image; without capabilities
    // programs would break.
    if (errno != ENOTSUP || name == "security.capability") return errno;
  }
  return 0;
}

std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

LayerWriter::LayerWriter(int root) : root_(root) {}

// Directories are kept in mind until the end; a layer of nothing but long names must not take the
// host's memory.
sdk::Result<void> LayerWriter::remember(const std::string& path) {
  remembered_bytes_ += path.size() + 64;
  if (remembered_bytes_ <= kMaxRemembered) return {};
  return sdk::fail(BERTH_NO_CAPACITY,
                   "the layer has more names of directories than fit into 256 MiB");
}

// The directory of that (clean) path, made as needed. Kept open until the next: entries come folder
// by folder.
sdk::Result<int> LayerWriter::directory(const std::string& path) {
  if (path.empty()) return root_;
  if (open_directory_ && open_path_ == path) return open_directory_.get();
  Fd fd = open_in_root(root_, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) {
    if (const auto made = make_implied(path); !made) return made.error();
    fd = open_in_root(root_, path.c_str(), O_RDONLY | O_DIRECTORY);
  }
  if (!fd) return failed(path, errno);
  open_directory_ = std::move(fd);
  open_path_ = path;
  return open_directory_.get();
}

sdk::Result<void> LayerWriter::make_implied(const std::string& path) {
  Fd at{fcntl(root_, F_DUPFD_CLOEXEC, 3)};
  std::size_t end = 0;
  while (end < path.size()) {
    const std::size_t from = end == 0 ? 0 : end + 1;
    end = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, end - from);
    const std::string so_far = path.substr(0, end);
    // From the parent, so that a deep path costs no square; from the root only through a link.
    Fd next = open_without_links(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
    if (!next) next = open_in_root(root_, so_far.c_str(), O_RDONLY | O_DIRECTORY);
    if (!next) {
      struct stat status {};
      const bool exists = fstatat(at.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
      const bool hides = exists && is_whiteout(status);
      if (exists && !hides) return refused(path, "goes through something that is no directory");
      if (hides && unlinkat(at.get(), name.c_str(), 0) != 0) return failed(so_far, errno);
      if (mkdirat(at.get(), name.c_str(), 0755) != 0) return failed(so_far, errno);
      next = open_without_links(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
      if (!next || fchown(next.get(), 0, 0) != 0 || fchmod(next.get(), 0755) != 0) {
        return failed(so_far, errno);
      }
      // What was deleted below stays so under the new directory.
      if (hides && fsetxattr(next.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
        return failed(so_far, errno);
      }
      ++implied_made_;
      implied_.insert(so_far);
      if (auto kept = remember(so_far); !kept) return kept;
    }
    at = std::move(next);
  }
  return {};
}

sdk::Result<void> LayerWriter::add_whiteout(const std::string& parent_path, std::string_view name) {
  auto parent = directory(parent_path);
  if (!parent) return parent.error();
  if (name == kOpaque) {
    if (parent_path.empty()) root_is_opaque_ = true;
    if (fsetxattr(*parent, "trusted.overlay.opaque", "y", 1, 0) != 0) {
      return failed(parent_path, errno);
    }
    return {};
  }
  const std::string hidden{name.substr(kWhiteout.size())};
  if (mknodat(*parent, hidden.c_str(), S_IFCHR, makedev(0, 0)) == 0) return {};
  if (errno != EEXIST) return failed(hidden, errno);
  // The same layer has something of that name. It stays, since whiteouts speak of lower layers; a
  // directory must hide them.
  const Fd same = open_without_links(*parent, hidden.c_str(), O_RDONLY | O_DIRECTORY);
  if (same && fsetxattr(same.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
    return failed(hidden, errno);
  }
  return {};
}

sdk::Result<void> LayerWriter::add(const Entry& entry,
                                   const std::function<sdk::Result<void>(int)>& fill) {
  auto path = clean(entry.path);
  if (!path) return path.error();
  if (entry.uid == UINT32_MAX || entry.gid == UINT32_MAX) {
    return refused(entry.path, "has an owner out of range");
  }
  if (path->empty()) {
    if (entry.kind != EntryKind::Directory) return refused(entry.path, "replaces the layer's root");
    if (const int error = set_attributes(root_, entry)) return failed("/", error);
    directory_times_[""] = entry.mtime;
    return {};
  }
  const auto [parent_path, name] = split(*path);
  if (goes_through_whiteout(parent_path, true)) return {};  // AUFS's own folders
  if (goes_through_whiteout(parent_path, false)) {
    return refused(entry.path, "lies below a whiteout");
  }
  if (name.starts_with(kWhiteout)) {
    if (name.starts_with(kAufs) && name != kOpaque) return {};
    const std::string_view hidden = std::string_view{name}.substr(kWhiteout.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
      return refused(entry.path, "is a whiteout of nothing");
    }
    // AUFS made them as hard links to one file of its own.
    if (entry.kind != EntryKind::File && entry.kind != EntryKind::HardLink) {
      return refused(entry.path, "is a whiteout but no file");
    }
    return add_whiteout(parent_path, name);
  }
  if (entry.kind == EntryKind::Device && !is_harmless_device(entry)) {
    if (parent_path == "dev" || parent_path.starts_with("dev/")) return {};
    return refused(entry.path, "is a device node, which images may have below /dev only");
  }

  auto parent = directory(parent_path);
  if (!parent) return parent.error();
  const Place place{*parent, name, *path};
  implied_.erase(*path);
  switch (entry.kind) {
    case EntryKind::Directory: {
      auto made = make_directory(place, entry);
      if (!made) return made;
      directory_times_[*path] = entry.mtime;
      return remember(*path);
    }
    case EntryKind::File:
      return make_file(place, entry, fill);
    case EntryKind::HardLink:
      return make_hard_link(place, entry);
    default:
      return make_other(place, entry);
  }
}

// Makes way for something new under that name.
sdk::Result<void> LayerWriter::clear(const Place& place) {
  if (unlinkat(place.parent, place.name.c_str(), 0) == 0) {
    open_path_ = kNoPath;  // it may have been a link on the way to what is kept open
    return {};
  }
  if (errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return failed(place.path, errno);
  open_path_ = kNoPath;
  std::erase_if(implied_,
                [&](const std::string& path) { return path.starts_with(place.path + "/"); });
  return remove_tree(place.parent, place.name.c_str());
}

sdk::Result<void> LayerWriter::make_directory(const Place& place, const Entry& entry) {
  const char* name = place.name.c_str();
  bool hides = false;
  if (mkdirat(place.parent, name, 0700) != 0) {
    struct stat status {};
    if (errno != EEXIST || fstatat(place.parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return failed(entry.path, errno);
    }
    if (!S_ISDIR(status.st_mode)) {
      hides = is_whiteout(status);
      if (auto cleared = clear(place); !cleared) return cleared;
      if (mkdirat(place.parent, name, 0700) != 0) return failed(entry.path, errno);
    }
  }
  const Fd made = open_without_links(place.parent, name, O_RDONLY | O_DIRECTORY);
  if (!made) return failed(entry.path, errno);
  if (hides && fsetxattr(made.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
    return failed(entry.path, errno);
  }
  if (const int error = set_attributes(made.get(), entry)) return failed(entry.path, error);
  return {};
}

sdk::Result<void> LayerWriter::make_file(const Place& place, const Entry& entry,
                                         const std::function<sdk::Result<void>(int)>& fill) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Fd file{openat(place.parent, place.name.c_str(), kFlags, 0600)};
  if (!file && errno == EEXIST) {
    if (auto cleared = clear(place); !cleared) return cleared;
    file = Fd{openat(place.parent, place.name.c_str(), kFlags, 0600)};
  }
  if (!file) return failed(entry.path, errno);
  if (auto filled = fill(file.get()); !filled) return filled;
  if (const int error = set_attributes(file.get(), entry)) return failed(entry.path, error);
  const timespec times[2] = {entry.mtime, entry.mtime};
  if (futimens(file.get(), times) != 0) return failed(entry.path, errno);
  return {};
}

sdk::Result<void> LayerWriter::make_other(const Place& place, const Entry& entry) {
  const char* name = place.name.c_str();
  if (auto cleared = clear(place); !cleared) return cleared;
  int result = -1;
  if (entry.kind == EntryKind::Symlink) {
    if (entry.target.empty()) return refused(entry.path, "is a link to nothing");
    result = symlinkat(entry.target.c_str(), place.parent, name);
  } else if (entry.kind == EntryKind::Fifo) {
    result = mknodat(place.parent, name, S_IFIFO | 0600, 0);
  } else {
    result = mknodat(place.parent, name, S_IFCHR | 0600, entry.device);
  }
  // No descriptor: opening a FIFO or a device has effects. The name is ours and nobody else writes
  // here.
  const timespec times[2] = {entry.mtime, entry.mtime};
  if (result != 0 || fchownat(place.parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      (entry.kind != EntryKind::Symlink &&
       fchmodat(place.parent, name, entry.mode & 07777, 0) != 0) ||
      utimensat(place.parent, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed(entry.path, errno);
  }
  return {};
}

sdk::Result<void> LayerWriter::make_hard_link(const Place& place, const Entry& entry) {
  auto target = clean(entry.target);
  if (!target) return target.error();
  const auto [target_parent, target_name] = split(*target);
  if (target_name.empty()) return refused(entry.path, "is a hard link to the layer's root");
  const Fd from = target_parent.empty()
                      ? Fd{fcntl(root_, F_DUPFD_CLOEXEC, 3)}
                      : open_in_root(root_, target_parent.c_str(), O_RDONLY | O_DIRECTORY);
  struct stat status {};
  if (!from || fstatat(from.get(), target_name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return refused(entry.path, "is a hard link to " + quoted(entry.target) +
                                   ", which this layer does not have");
  }
  if (S_ISDIR(status.st_mode) || is_whiteout(status)) {
    return refused(entry.path, "is a hard link to something that is no file");
  }
  struct stat here {};
  if (fstatat(place.parent, place.name.c_str(), &here, AT_SYMLINK_NOFOLLOW) == 0) {
    if (here.st_ino == status.st_ino) return {};  // to itself, or again
    if (S_ISDIR(here.st_mode)) return refused(entry.path, "replaces a directory by a hard link");
    if (auto cleared = clear(place); !cleared) return cleared;
  }
  if (linkat(from.get(), target_name.c_str(), place.parent, place.name.c_str(), 0) != 0) {
    return failed(entry.path, errno);
  }
  return {};
}

sdk::Result<void> LayerWriter::finish() {
  open_directory_ = Fd{};
  open_path_.clear();
  for (const auto& [path, time] : directory_times_) {
    const Fd directory = path.empty() ? Fd{fcntl(root_, F_DUPFD_CLOEXEC, 3)}
                                      : open_in_root(root_, path.c_str(), O_RDONLY | O_DIRECTORY);
    if (!directory) continue;  // replaced by a later entry
    const timespec times[2] = {time, time};
    if (futimens(directory.get(), times) != 0) return failed(path, errno);
  }
  return {};
}

}  // namespace berth::runtime::image
