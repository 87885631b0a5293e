// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/volume/volume_store.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/volume/copy_tree.hpp"
#include "sdk/runtime/volume/mount_options.hpp"

namespace berth::runtime::volume {
namespace {

namespace fs = std::filesystem;
using image::Fd;
using sdk::Result;

sdk::Error cannot(berth_status status, const std::string& why) {
  auto error = sdk::fail(status, "CannotCreateVolumeError: " + why);
  error.reason = "CannotCreateVolumeError";
  return error;
}
sdk::Error cannot(const sdk::Error& error) {
  return cannot(error.status, error.message);
}
sdk::Error cannot_here(const fs::path& path) {
  return cannot(errno == ENOSPC ? BERTH_NO_CAPACITY : BERTH_INTERNAL,
                path.string() + ": " + std::strerror(errno));
}

// Directories of ours are nobody else's to look into; what a container sees of a volume is below.
Result<void> make_private(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return cannot(BERTH_INTERNAL, path.string() + ": " + error.message());
  return {};
}

Result<fs::path> make_data(const fs::path& volume) {
  if (auto made = make_private(volume); !made) return made.error();
  fs::path data = volume / "_data";
  if (::mkdir(data.c_str(), 0755) != 0 && errno != EEXIST) return cannot_here(data);
  return data;
}

bool is_mounted(const fs::path& path) {
  struct statx status {};
  return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<void> mount_as_told(const fs::path& data, const std::map<std::string, std::string>& opts) {
  if (opts.empty() || is_mounted(data)) return {};
  const auto of = [&opts](const char* key) {
    const auto at = opts.find(key);
    return at == opts.end() ? std::string() : at->second;
  };
  const MountOptions options = parse_mount_options(of("o"));
  const std::string device = of("device");
  const std::string type = of("type");
  const auto mount_with = [&](unsigned long flags) {
    return ::mount(device.c_str(), data.c_str(), type.c_str(), flags, options.data.c_str()) == 0;
  };
  if (!mount_with(options.flags)) return cannot_here("mount of " + device);
  // A bind takes its other flags only when it is mounted anew.
  const unsigned long rest = options.flags & ~static_cast<unsigned long>(MS_BIND | MS_REC);
  if ((options.flags & MS_BIND) != 0 && rest != 0 && !mount_with(MS_REMOUNT | MS_BIND | rest)) {
    const auto error = cannot_here("mount of " + device);
    ::umount2(data.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return error;
  }
  return {};
}

Result<void> unmount(const fs::path& data) {
  for (int attempt = 0; attempt < 8 && is_mounted(data); ++attempt) {
    if (::umount2(data.c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (errno != EBUSY || ::umount2(data.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return cannot_here(data);
    }
  }
  return is_mounted(data)
             ? Result<void>(cannot(BERTH_INTERNAL, data.string() + " is still mounted"))
             : Result<void>();
}

Result<void> remove_directory(const fs::path& path) {
  const Fd parent(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return errno == ENOENT ? Result<void>() : Result<void>(cannot_here(path));
  return image::remove_tree(parent.get(), path.filename().c_str());
}

std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    out.push_back(entry->path());
  }
  return out;
}

std::string describe(const options::Volume& volume) {
  state::Lines lines;
  lines.add("name", volume.name);
  for (const auto& [key, value] : volume.driver_opts) lines.add("option", key + "=" + value);
  return lines.print();
}

bool is_empty(int directory) {
  const Fd own(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::error_code error;
  return own && fs::is_empty("/proc/self/fd/" + std::to_string(own.get()), error) && !error;
}

// What an earlier attempt had copied before it was cut off.
Result<void> clear(int directory) {
  for (const auto& entry : entries("/proc/self/fd/" + std::to_string(directory))) {
    if (auto gone = image::remove_tree(directory, entry.filename().c_str()); !gone) return gone;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<VolumeStore>> VolumeStore::open(fs::path directory) {
  for (const char* part : {"task", "shared"}) {
    if (auto made = make_private(directory / part); !made) return made.error();
  }
  return std::unique_ptr<VolumeStore>(new VolumeStore(std::move(directory)));
}

std::mutex& VolumeStore::mutex_of(const fs::path& volume) {
  return mutexes_[std::hash<std::string>{}(volume.native()) % mutexes_.size()];
}

Result<fs::path> VolumeStore::acquire(const std::string& task_id, const options::Volume& volume) {
  if (volume.kind == options::Volume::Kind::Shared) return acquire_shared(task_id, volume);
  if (volume.kind == options::Volume::Kind::Bind) {
    std::error_code error;
    if (!fs::exists(volume.source_path, error)) fs::create_directories(volume.source_path, error);
    if (error) return cannot(BERTH_INTERNAL, volume.source_path + ": " + error.message());
    return fs::path(volume.source_path);
  }
  const fs::path home = directory_ / "task" / task_id / volume.name;
  const std::lock_guard lock(mutex_of(home));
  auto data = make_data(home);
  if (!data) return data;
  if (auto mounted = mount_as_told(*data, volume.driver_opts); !mounted) return mounted.error();
  return data;
}

Result<fs::path> VolumeStore::acquire_shared(const std::string& task_id,
                                             const options::Volume& volume) {
  const fs::path home = directory_ / "shared" / volume.name;
  const std::lock_guard lock(mutex_of(home));
  const auto known = state::read_lines(home / "volume");
  std::error_code error;
  if (!known && !volume.autoprovision && !fs::is_directory(home / "_data", error)) {
    return cannot(BERTH_NOT_FOUND, "there is no volume '" + volume.name +
                                       "' on this host, and autoprovision is off");
  }
  if (known && known->print() != describe(volume) && !volume.driver_opts.empty()) {
    return cannot(BERTH_PRECONDITION,
                  "the volume '" + volume.name + "' exists on this host with other driver options");
  }
  auto data = make_data(home);
  if (!data) return data;
  if (auto made = make_private(home / "holders"); !made) return made.error();
  // First of all, so that whoever sweeps finds what it leads to.
  if (!state::write_file(home / "holders" / task_id, "")) return cannot_here(home);
  BERTH_FAILPOINT("volume.after_hold");
  std::map<std::string, std::string> opts = volume.driver_opts;
  if (known) {
    opts.clear();
    for (const std::string& option : known->all("option")) {
      const auto equals = option.find('=');
      opts[option.substr(0, equals)] = option.substr(equals + 1);
    }
  } else if (!state::write_file(home / "volume", describe(volume), state::Sync::Yes)) {
    return cannot_here(home);
  }
  state::Lines labels;
  for (const auto& [key, value] : volume.labels) labels.add(key, value);
  if (!known && !state::write_file(home / "labels", labels.print())) return cannot_here(home);
  if (auto mounted = mount_as_told(*data, opts); !mounted) return mounted.error();
  BERTH_FAILPOINT("volume.after_mount");
  return data;
}

Result<fs::path> VolumeStore::acquire_unnamed(const std::string& task_id, const std::string& name) {
  const fs::path home = directory_ / "task" / task_id / ("." + name);
  const std::lock_guard lock(mutex_of(home));
  return make_data(home);
}

Result<fs::path> VolumeStore::acquire_tmpfs(const std::string& task_id, const std::string& name,
                                            std::uint64_t bytes) {
  auto data = acquire_unnamed(task_id, name);
  if (!data) return data;
  const std::lock_guard lock(mutex_of(data->parent_path()));
  const std::string size = "mode=1777,size=" + std::to_string(bytes);
  if (auto mounted = mount_as_told(
          *data, {{"type", "tmpfs"}, {"device", "shm"}, {"o", "nosuid,nodev,noexec," + size}});
      !mounted) {
    return mounted.error();
  }
  return data;
}

Result<void> VolumeStore::populate(const fs::path& data, const std::string& rootfs,
                                   const std::string& path) {
  const std::lock_guard lock(mutex_of(data.parent_path()));
  const fs::path mark = data.parent_path() / "filling";
  const Fd to(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to) return cannot_here(data);
  const bool cut_off = ::access(mark.c_str(), F_OK) == 0;
  if (cut_off) {
    if (auto cleared = clear(to.get()); !cleared) return cannot(cleared.error());
  } else if (!is_empty(to.get())) {
    return {};
  }
  const Fd root(::open(rootfs.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return cannot_here(rootfs);
  const Fd from = image::open_in_root(root.get(), path.c_str(), O_RDONLY | O_DIRECTORY);
  if (from) {
    if (!state::write_file(mark, "")) return cannot_here(mark);
    BERTH_FAILPOINT("volume.while_filling");
    if (auto copied = copy_tree(from.get(), to.get()); !copied) return cannot(copied.error());
  }
  if (::unlink(mark.c_str()) != 0 && errno != ENOENT) return cannot_here(mark);
  return {};
}

Result<void> VolumeStore::drop_hold(const fs::path& volume, const std::string& task_id) {
  const std::lock_guard lock(mutex_of(volume));
  const fs::path holders = volume / "holders";
  const fs::path hold = holders / task_id;
  if (::access(hold.c_str(), F_OK) != 0) return {};
  if (entries(holders).size() == 1) {
    if (auto gone = unmount(volume / "_data"); !gone) return gone;
  }
  if (::unlink(hold.c_str()) != 0 && errno != ENOENT) return cannot_here(hold);
  return {};
}

Result<void> VolumeStore::release(const std::string& task_id) {
  const fs::path home = directory_ / "task" / task_id;
  for (const auto& volume : entries(home)) {
    if (auto gone = unmount(volume / "_data"); !gone) return gone;
  }
  BERTH_FAILPOINT("volume.before_removal");
  if (auto gone = remove_directory(home); !gone) return cannot(gone.error());
  for (const auto& volume : entries(directory_ / "shared")) {
    if (auto dropped = drop_hold(volume, task_id); !dropped) return dropped;
  }
  return {};
}

void VolumeStore::sweep(const std::set<std::string>& live) {
  std::set<std::string> gone;
  for (const auto& task : entries(directory_ / "task")) gone.insert(task.filename());
  for (const auto& volume : entries(directory_ / "shared")) {
    for (const auto& holder : entries(volume / "holders")) gone.insert(holder.filename());
  }
  for (const std::string& task : gone) {
    if (live.contains(task)) continue;
    if (auto released = release(task); !released) {
      spdlog::warn("volumes of {}: {}", task, released.error().message);
    }
  }
}

}  // namespace berth::runtime::volume
