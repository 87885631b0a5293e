// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/secret_place.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::secrets {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr const char* kOptions = "mode=0700,size=16m";

sdk::Error error_of(const fs::path& path) {
  return sdk::fail(BERTH_INTERNAL, path.string() + ": " + std::strerror(errno));
}

bool is_tmpfs(const fs::path& path) {
  constexpr long kMagic = 0x01021994;
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == kMagic;
}

// A mount point is on another device than what it lies in.
bool is_mount_point(const fs::path& path) {
  struct stat own {};
  struct stat above {};
  return ::stat(path.c_str(), &own) == 0 && ::stat(path.parent_path().c_str(), &above) == 0 &&
         own.st_dev != above.st_dev;
}

sdk::Result<void> overwrite(int fd, const std::string& text, const fs::path& path) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote =
        ::pwrite(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return error_of(path);
    done += static_cast<std::size_t>(wrote);
  }
  return {};
}

}  // namespace

sdk::Result<void> open_place(const fs::path& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return error_of(directory);
  if (is_mount_point(directory) && is_tmpfs(directory)) return {};
  // Without swap where the kernel can (6.4); else it is memory that may be swapped.
  const std::string noswap = std::string(kOptions) + ",noswap";
  if (::mount("berth-secrets", directory.c_str(), "tmpfs", kFlags, noswap.c_str()) == 0) return {};
  if (::mount("berth-secrets", directory.c_str(), "tmpfs", kFlags, kOptions) != 0)
    return error_of(directory);
  return {};
}

sdk::Result<void> close_place(const fs::path& directory) {
  while (::umount2(directory.c_str(), MNT_DETACH) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return error_of(directory);
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY)
    return error_of(directory);
  return {};
}

sdk::Result<std::vector<v1::Mount>> write_files(const fs::path& directory,
                                                const std::vector<SecretFile>& files, Owner owner) {
  std::vector<v1::Mount> mounts;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const fs::path path = directory / ("file-" + std::to_string(i));
    const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0400));
    if (!file || ::fchown(file.get(), owner.uid, owner.gid) != 0) return error_of(path);
    if (auto written = overwrite(file.get(), files[i].value, path); !written)
      return written.error();
    v1::Mount& mount = mounts.emplace_back();
    mount.set_host_path(path);
    mount.set_container_path(files[i].path);
    mount.set_type("bind");
    for (const char* option : {"bind", "ro", "nosuid", "nodev", "noexec"})
      mount.add_options(option);
  }
  return mounts;
}

sdk::Result<void> blot_out(const fs::path& config_file) {
  const OwnedFd file(::open(config_file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return errno == ENOENT ? sdk::Result<void>() : error_of(config_file);
  std::ifstream in(config_file, std::ios::binary);
  const std::string before{std::istreambuf_iterator<char>(in), {}};
  json::error_code error;
  json::value config = json::parse(before, error);
  json::value* const process =
      !error && config.is_object() ? config.get_object().if_contains("process") : nullptr;
  json::value* const env =
      process && process->is_object() ? process->get_object().if_contains("env") : nullptr;
  if (!env || !env->is_array())
    return sdk::fail(BERTH_INTERNAL, config_file.string() + " is no OCI configuration");
  if (env->get_array().empty()) return {};
  *env = json::array();
  std::string after = json::serialize(config);
  // Of the same length: blanks at the end are JSON, and no old byte stays behind the new end.
  if (after.size() < before.size()) after.append(before.size() - after.size(), ' ');
  return overwrite(file.get(), after, config_file);
}

}  // namespace berth::runtime::secrets
