// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/rootfs.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/image/idmapped_mount.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxOptions = 4000;  // mount(2) takes one page

bool is_mount_point(int directory, const char* name) {
  struct statx status {};
  return statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

sdk::Result<Fd> open_directory(const std::string& path) {
  Fd fd{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return system_error(path, errno);
  return fd;
}

sdk::Result<void> make_directory(int parent, const char* name, mode_t mode) {
  if (mkdirat(parent, name, mode) != 0 && errno != EEXIST) return system_error(name, errno);
  return {};
}

// mkdir -p with mode 0700 for what is missing.
sdk::Result<void> make_path(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return system_error(part, errno);
    if (at == std::string::npos) return {};
  }
}

// The new upper looks like the root below it, and like the directories that no layer describes
// well.
sdk::Result<void> prepare_upper(int upper, const Image& image, const IdRange& ids) {
  struct stat root {};
  if (stat(image.layers.back().c_str(), &root) != 0) {
    return system_error(image.layers.back(), errno);
  }
  if (fchown(upper, ids.on_host(root.st_uid), ids.on_host(root.st_gid)) != 0 ||
      fchmod(upper, root.st_mode & 07777) != 0) {
    return system_error("the container's upper directory", errno);
  }
  for (const DirectoryAttributes& directory : image.directories) {
    if (mkdirat(upper, directory.path.c_str(), 0700) != 0 && errno != EEXIST) {
      return system_error(directory.path, errno);
    }
    const Fd made = open_without_links(upper, directory.path.c_str(), O_RDONLY | O_DIRECTORY);
    if (!made || fchown(made.get(), ids.on_host(directory.uid), ids.on_host(directory.gid)) != 0 ||
        fchmod(made.get(), directory.mode & 07777) != 0) {
      return system_error(directory.path, errno);
    }
  }
  return {};
}

struct Part {
  std::string path;
  int fd;
  // Short, and free of the characters that mean something in mount options.
  [[nodiscard]] std::string by_fd() const { return "/proc/self/fd/" + std::to_string(fd); }
};

std::string mount_options(const std::vector<Part>& lowers, const Part& upper, const Part& work,
                          bool by_fd) {
  std::string out = "index=off,metacopy=off,lowerdir=";
  const auto name = [&](const Part& part) { return by_fd ? part.by_fd() : part.path; };
  for (std::size_t i = lowers.size(); i-- > 0;) {
    out += name(lowers[i]);
    if (i != 0) out += ':';
  }
  return out + ",upperdir=" + name(upper) + ",workdir=" + name(work);
}

sdk::Error mount_failed(const std::string& target, int error) {
  if (error == EINVAL || error == ENOTSUP) {
    return sdk::fail(
        BERTH_PRECONDITION,
        target +
            ": an overlay cannot be mounted here; the data directory has to lie on ext4, "
            "xfs, btrfs or tmpfs, and not on another overlay");
  }
  return system_error("mounting an overlay on " + target, error);
}

std::string shown_at(const std::string& directory, std::size_t layer) {
  return directory + "/shown-" + std::to_string(layer);
}

// Stops at the first that is not there: they are made in order, and removed from the end.
void hide_layers(const std::string& directory) {
  std::size_t count = 0;
  while (access(shown_at(directory, count).c_str(), F_OK) == 0) ++count;
  while (count-- > 0) {
    const std::string path = shown_at(directory, count);
    umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    rmdir(path.c_str());
  }
}

// The layers as they look with owners of the range, mounted beside the upper until an overlay holds
// them itself; also what a crash has left of that is taken away.
class ShownLayers {
 public:
  ShownLayers(const Image& image, const std::string& directory)
      : image_(image), directory_(directory) {}
  ~ShownLayers() { hide(); }
  ShownLayers(const ShownLayers&) = delete;
  ShownLayers& operator=(const ShownLayers&) = delete;

  sdk::Result<std::vector<std::string>> show(const IdRange& ids) {
    if (ids.empty()) return image_.layers;
    hide();
    auto space = make_user_namespace(ids);
    if (!space) return space.error();
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < image_.layers.size(); ++i) {
      paths.push_back(shown_at(directory_, i));
      if (mkdir(paths.back().c_str(), 0700) != 0 && errno != EEXIST) {
        return system_error(paths.back(), errno);
      }
      auto shown = mount_idmapped(image_.layers[i], paths.back(), space->get());
      if (!shown) return shown.error();
    }
    return paths;
  }

 private:
  void hide() { hide_layers(directory_); }

  const Image& image_;
  const std::string& directory_;
};

sdk::Result<void> mount_overlay(const Image& image, const std::string& directory, int at,
                                const RootfsOptions& options, const std::string& target) {
  ShownLayers shown(image, directory);
  const auto layers = shown.show(options.ids);
  if (!layers) return layers.error();
  std::vector<Fd> kept;
  std::vector<Part> lowers;
  for (const std::string& layer : *layers) {
    auto fd = open_directory(layer);
    if (!fd) return fd.error();
    lowers.push_back({layer, fd->get()});
    kept.push_back(std::move(*fd));
  }
  const Fd upper_fd = open_without_links(at, "upper", O_RDONLY | O_DIRECTORY);
  const Fd work_fd = open_without_links(at, "work", O_RDONLY | O_DIRECTORY);
  if (!upper_fd || !work_fd) return system_error(directory, errno);
  const Part upper{directory + "/upper", upper_fd.get()};
  const Part work{directory + "/work", work_fd.get()};
  std::string text = mount_options(lowers, upper, work, false);
  const bool special = directory.find_first_of(",:\\") != std::string::npos ||
                       image.layers.front().find_first_of(",:\\") != std::string::npos;
  if (special || text.size() > kMaxOptions) text = mount_options(lowers, upper, work, true);
  const unsigned long flags = options.read_only ? MS_RDONLY : 0;
  if (mount("overlay", target.c_str(), "overlay", flags, text.c_str()) != 0) {
    return mount_failed(target, errno);
  }
  return {};
}

// Each directory of the way there may be passed by all, and looked into by none.
sdk::Result<void> make_target(const std::string& target) {
  const std::string parent = target.substr(0, target.rfind('/'));
  if (auto made = make_path(parent); !made) return made;
  if (chmod(parent.c_str(), 0711) != 0) return system_error(parent, errno);
  if (mkdir(target.c_str(), 0711) != 0 && errno != EEXIST) return system_error(target, errno);
  return {};
}

}  // namespace

sdk::Result<std::string> mount_rootfs(const Image& image, const std::string& directory,
                                      const RootfsOptions& options) {
  if (image.layers.empty()) return sdk::fail(BERTH_INVALID, "the image has no layers");
  if (auto made = make_path(directory); !made) return made.error();
  auto at = open_directory(directory);
  if (!at) return at.error();
  const std::string target = options.target.empty() ? directory + "/rootfs" : options.target;
  if (!options.target.empty()) {
    if (auto made = make_target(target); !made) return made.error();
  }
  if (is_mount_point(AT_FDCWD, target.c_str())) return target;
  for (const char* name : {"work", "rootfs"}) {
    if (auto made = make_directory(at->get(), name, 0700); !made) return made.error();
  }
  // Complete from the first moment that it is called upper: a crash here must not leave half of it.
  if (faccessat(at->get(), "upper", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    if (auto gone = remove_tree(at->get(), "upper.new"); !gone) return gone.error();
    if (auto made = make_directory(at->get(), "upper.new", 0755); !made) return made.error();
    const Fd upper = open_without_links(at->get(), "upper.new", O_RDONLY | O_DIRECTORY);
    if (!upper) return system_error(directory, errno);
    if (auto ready = prepare_upper(upper.get(), image, options.ids); !ready) return ready.error();
    if (renameat(at->get(), "upper.new", at->get(), "upper") != 0) {
      return system_error(directory, errno);
    }
  }
  if (auto mounted = mount_overlay(image, directory, at->get(), options, target); !mounted) {
    return mounted.error();
  }
  return target;
}

sdk::Result<void> unmount_rootfs(const std::string& directory, const std::string& elsewhere) {
  hide_layers(directory);
  const std::string target = elsewhere.empty() ? directory + "/rootfs" : elsewhere;
  // More than once only where somebody mounted on top.
  for (int attempt = 0; attempt < 8 && is_mount_point(AT_FDCWD, target.c_str()); ++attempt) {
    if (umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT) {
      continue;
    }
    if (errno != EBUSY) return system_error("unmounting " + target, errno);
    // Its processes are gone; what keeps it busy is being torn down, or looks on from another mount
    // namespace.
    if (umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return system_error("unmounting " + target, errno);
    }
  }
  if (!elsewhere.empty() && rmdir(target.c_str()) != 0 && errno != ENOENT) {
    return system_error(target, errno);
  }
  return {};
}

sdk::Result<void> remove_rootfs(const std::string& directory, const std::string& target) {
  if (auto unmounted = unmount_rootfs(directory, target); !unmounted) return unmounted;
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos || slash + 1 == directory.size()) {
    return sdk::fail(BERTH_INVALID, "'" + directory + "' is not a container's directory");
  }
  const Fd parent{open(slash == 0 ? "/" : directory.substr(0, slash).c_str(),
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!parent) {
    return errno == ENOENT ? sdk::Result<void>{}
                           : system_error("opening what holds " + directory, errno);
  }
  return remove_tree(parent.get(), directory.substr(slash + 1).c_str());
}

}  // namespace berth::runtime::image
