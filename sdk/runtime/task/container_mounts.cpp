// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/container_mounts.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <system_error>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/options/members.hpp"
#include "sdk/runtime/options/volumes.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using options::Volume;
using sdk::Result;

struct Bind {
  std::string source;
  bool read_only = false;
};
using Binds = std::map<std::string, Bind>;  // by destination

// Lines destination, source, access in turn: paths hold no line ends.
std::string print(const Binds& binds) {
  state::Lines lines;
  for (const auto& [destination, bind] : binds) {
    lines.add("destination", destination);
    lines.add("source", bind.source);
    lines.add("access", bind.read_only ? "ro" : "rw");
  }
  return lines.print();
}

Binds parse(const state::Lines& lines) {
  Binds out;
  const auto destinations = lines.all("destination");
  const auto sources = lines.all("source");
  const auto access = lines.all("access");
  for (std::size_t i = 0; i < std::min({destinations.size(), sources.size(), access.size()}); ++i) {
    out[destinations[i]] = {.source = sources[i], .read_only = access[i] == "ro"};
  }
  return out;
}

// Runtimes differ in whether a bind keeps what its source is mounted with, so it is said again.
MountSpec mount_of(const std::string& destination, const Bind& bind) {
  struct statvfs status {};
  const unsigned long flags = ::statvfs(bind.source.c_str(), &status) == 0 ? status.f_flag : 0;
  const bool read_only = bind.read_only || (flags & ST_RDONLY) != 0;
  MountSpec mount{.destination = destination,
                  .source = bind.source,
                  .type = "bind",
                  .options = {"rbind", "rprivate", read_only ? "ro" : "rw"}};
  if ((flags & ST_NOSUID) != 0) mount.options.emplace_back("nosuid");
  if ((flags & ST_NODEV) != 0) mount.options.emplace_back("nodev");
  if ((flags & ST_NOEXEC) != 0) mount.options.emplace_back("noexec");
  return mount;
}

// A mount hides what was mounted below its place before.
void sort_outer_first(std::vector<MountSpec>& mounts) {
  const auto depth = [](const MountSpec& mount) {
    return std::count(mount.destination.begin(), mount.destination.end(), '/');
  };
  std::stable_sort(mounts.begin(), mounts.end(),
                   [&](const MountSpec& a, const MountSpec& b) { return depth(a) < depth(b); });
}

bool has_mount(const ContainerOptions& options, const std::string& destination) {
  return std::any_of(options.mounts.begin(), options.mounts.end(),
                     [&](const MountSpec& mount) { return mount.destination == destination; });
}

// What the image has at a volume's place came with owners of the range; a new directory is the
// host's root's, and would be nobody's in the container.
Result<void> give_to_container_root(const fs::path& data, const IdRange& ids) {
  struct stat status {};
  if (::stat(data.c_str(), &status) != 0 || (status.st_uid == 0 && ::chown(data.c_str(), ids.first, ids.first) != 0)) {
    return sdk::fail(BERTH_INTERNAL, data.string() + ": " + std::strerror(errno));
  }
  return {};
}

// "/data/" and "/data" are one place.
std::string without_end(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

void add_mount(ContainerOptions& options, MountSpec mount) {
  options.mounts.push_back(std::move(mount));
  sort_outer_first(options.mounts);
}

fs::path ContainerMounts::note_of(const std::string& task_id, int container) const {
  return tasks_dir_ / task_id / "mounts" / std::to_string(container);
}

Result<void> ContainerMounts::prepare(const v1::StartTaskRequest& task, int container,
                                      const Place& place, ContainerOptions& options) {
  const std::string& task_id = task.task_id();
  const auto volumes = options::read_volumes(task.definition());
  if (!volumes) return volumes.error();
  const auto points = options::read_mount_points(task.definition(), container);
  if (!points) return points.error();
  const auto others = options::read_volumes_from(task.definition(), container);
  if (!others) return others.error();

  Binds binds;
  for (const auto& other : *others) {
    const auto note = state::read_lines(note_of(task_id, other.container));
    if (!note) {
      return sdk::fail(BERTH_PRECONDITION,
                       "the container '" +
                           task.definition().container_definitions(other.container).name() +
                           "' that volumes are to come from was never made");
    }
    for (auto& [destination, bind] : parse(*note)) {
      bind.read_only = bind.read_only || other.read_only;
      binds[destination] = bind;
    }
  }
  std::map<std::string, fs::path> to_fill;
  for (const auto& point : *points) {
    const auto volume = std::find_if(volumes->begin(), volumes->end(),
                                     [&](const Volume& one) { return one.name == point.volume; });
    const auto data = store_.acquire(task_id, *volume);
    if (!data) return data.error();
    const std::string path = without_end(point.path);
    binds[path] = {.source = *data, .read_only = point.read_only};
    if (volume->kind != Volume::Kind::Bind) to_fill[path] = *data;
  }
  int number = 0;
  for (const std::string& raw : place.image_volumes) {
    const std::string name = std::to_string(container) + "." + std::to_string(number++);
    const std::string path = without_end(raw);
    if (!options::is_plain_path(path) || path == "/") {
      return sdk::fail(BERTH_INVALID,
                       "the image's VOLUME '" + raw + "' is not a path to mount a volume at");
    }
    if (binds.contains(path) || has_mount(options, path)) continue;
    const auto data = store_.acquire_unnamed(task_id, name);
    if (!data) return data.error();
    binds[path] = {.source = *data};
    to_fill[path] = *data;
  }
  for (const auto& [path, data] : to_fill) {
    if (auto filled = store_.populate(data, place.rootfs, path); !filled) return filled;
  }
  if (!place.ids.empty()) {
    for (const auto& [path, data] : to_fill) {
      if (auto given = give_to_container_root(data, place.ids); !given) return given;
    }
  }
  const fs::path note = note_of(task_id, container);
  std::error_code error;
  fs::create_directories(note.parent_path(), error);
  if (!state::write_file(note, print(binds))) {
    return sdk::fail(BERTH_INTERNAL, note.string() + ": " + std::strerror(errno));
  }
  for (const auto& [destination, bind] : binds) {
    options.mounts.push_back(mount_of(destination, bind));
  }
  sort_outer_first(options.mounts);
  return {};
}

}  // namespace berth::runtime
