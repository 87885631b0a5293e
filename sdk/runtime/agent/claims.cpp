// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/claims.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

struct Claim {
  const char* key;
  std::string name;
  fs::path file;
};

std::array<Claim, 2> claims_of(const TasksConfig& config, const fs::path& directory) {
  std::string parent = config.cgroup_parent;
  std::replace(parent.begin(), parent.end(), '/', '+');
  return {{{"bridge", config.bridge, directory / ("bridge-" + config.bridge)},
           {"cgroup_parent", config.cgroup_parent, directory / ("cgroup-" + parent)}}};
}

// Whose a name is: the data directory, or nothing.
std::string owner_of(const Claim& claim) {
  const auto text = fleet::read_small_file(claim.file, 4096);
  std::error_code ignored;
  return text && fs::is_directory(*text, ignored) ? *text : std::string();
}

void forget_the_dead(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("bridge-") && !name.starts_with("cgroup-")) continue;
    std::error_code ignored;
    if (owner_of({"", "", entry.path()}).empty()) fs::remove(entry.path(), ignored);
  }
}

std::string own_name(const TasksConfig& config) {
  std::error_code error;
  const auto real = fs::weakly_canonical(config.data_dir, error);
  return error ? config.data_dir.string() : real.string();
}

}  // namespace

sdk::Result<Claimed> claim_names(const TasksConfig& config, const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  // Between the look and the writing no other agent may do the same.
  const OwnedFd lock(::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) {
    return sdk::fail(BERTH_INTERNAL, "cannot lock " + (directory / "lock").string() + ": " +
                                         std::strerror(errno));
  }
  forget_the_dead(directory);
  const std::string own = own_name(config);
  for (const Claim& claim : claims_of(config, directory)) {
    const std::string owner = owner_of(claim);
    if (owner.empty() || owner == own) continue;
    return sdk::fail(BERTH_PRECONDITION,
                     std::string(claim.key) + " '" + claim.name +
                         "' is used by another agent of this machine, that of " + owner +
                         ": give each agent its own",
                     claim.key);
  }
  Claimed taken;
  for (const Claim& claim : claims_of(config, directory)) {
    if (owner_of(claim) == own) continue;
    if (auto written = fleet::write_durably(claim.file, own, 0600); !written) {
      take_back(taken);
      return written.error();
    }
    taken.push_back(claim.file);
  }
  return taken;
}

void take_back(const Claimed& claimed) {
  for (const fs::path& file : claimed) {
    std::error_code ignored;
    fs::remove(file, ignored);
  }
}

void release_names(const TasksConfig& config, const fs::path& directory) {
  const OwnedFd lock(::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return;
  for (const Claim& claim : claims_of(config, directory)) {
    std::error_code ignored;
    if (owner_of(claim) == own_name(config)) fs::remove(claim.file, ignored);
  }
}

}  // namespace berth::runtime
