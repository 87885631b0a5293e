// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/disk/task_disks.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "sdk/runtime/disk/loop_mount.hpp"
#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

sdk::Error cannot(berth_status status, const std::string& why) {
  return sdk::fail(status, "CannotCreateVolumeError: the task's disk: " + why);
}
sdk::Error cannot_here(const fs::path& path) {
  return cannot(errno == ENOSPC ? BERTH_NO_CAPACITY : BERTH_INTERNAL,
                path.string() + ": " + std::strerror(errno));
}

// Not by PATH: a service's may lack /sbin.
std::optional<std::string> find_mkfs() {
  for (const char* path : {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return std::nullopt;
}

// Its file system dies with the task: there is no journal, and nothing is kept for root. The file
// is sparse and so zeros already.
Result<void> make_file_system(const std::string& mkfs, const std::string& image) {
  std::vector<std::string> words{mkfs,           "-q",         "-F",
                                 "-m",           "0",          "-O",
                                 "^has_journal", "-E",         "nodiscard,lazy_itable_init=1",
                                 "-L",           "berth-task", image};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  char* no_environment[] = {nullptr};
  const int error = ::posix_spawn(&pid, mkfs.c_str(), &files, nullptr, argv.data(), no_environment);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return cannot(BERTH_INTERNAL, mkfs + ": " + std::strerror(error));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  return cannot(BERTH_INTERNAL, mkfs + " failed on " + image + " (is the host's disk full?)");
}

}  // namespace

bool TaskDisks::possible() {
  return find_mkfs().has_value() && ::access("/dev/loop-control", R_OK | W_OK) == 0;
}

Result<void> TaskDisks::make_image(const std::string& task_id, std::uint64_t bytes) const {
  const auto mkfs = find_mkfs();
  if (!mkfs) return cannot(BERTH_PRECONDITION, "there is no mkfs.ext4 on this host (e2fsprogs)");
  std::error_code error;
  fs::create_directories(directory_, error);
  fs::permissions(directory_, fs::perms::owner_all, error);
  if (error) return cannot(BERTH_INTERNAL, directory_.string() + ": " + error.message());
  const std::string image = image_of(task_id);
  const std::string fresh = image + ".new";
  ::unlink(fresh.c_str());
  {
    const OwnedFd file(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return cannot_here(fresh);
  }
  if (auto made = make_file_system(*mkfs, fresh); !made) return made;
  BERTH_FAILPOINT("disk.before_name");
  if (::rename(fresh.c_str(), image.c_str()) != 0) return cannot_here(image);
  return {};
}

Result<fs::path> TaskDisks::acquire(const std::string& task_id, std::uint64_t bytes) const {
  const fs::path target = directory_ / task_id;
  if (is_mount_point(target)) return target;
  if (::access(image_of(task_id).c_str(), F_OK) != 0) {
    if (auto made = make_image(task_id, bytes); !made) return made.error();
  }
  if (::mkdir(target.c_str(), 0700) != 0 && errno != EEXIST) return cannot_here(target);
  BERTH_FAILPOINT("disk.before_mount");
  if (auto mounted = mount_image(image_of(task_id), target); !mounted) {
    return cannot(mounted.error().status, mounted.error().message);
  }
  return target;
}

fs::path TaskDisks::find(const std::string& task_id) const {
  const fs::path target = directory_ / task_id;
  return ::access(target.c_str(), F_OK) == 0 ? target : fs::path();
}

Result<void> TaskDisks::release(const std::string& task_id) const {
  const fs::path target = directory_ / task_id;
  if (auto gone = unmount_image(target); !gone) {
    return cannot(gone.error().status, gone.error().message);
  }
  BERTH_FAILPOINT("disk.after_unmount");
  if (::rmdir(target.c_str()) != 0 && errno != ENOENT) return cannot_here(target);
  for (const std::string& file :
       {image_of(task_id).string(), image_of(task_id).string() + ".new"}) {
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return cannot_here(file);
  }
  return {};
}

void TaskDisks::sweep(const std::set<std::string>& live) const {
  std::set<std::string> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    found.insert(name.substr(0, name.find('.')));
  }
  for (const std::string& task : found) {
    if (live.contains(task)) continue;
    if (auto released = release(task); !released) {
      spdlog::warn("disk of {}: {}", task, released.error().message);
    }
  }
}

}  // namespace berth::runtime
