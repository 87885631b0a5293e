// SPDX-License-Identifier: Apache-2.0
// Where a container's secrets are while it exists: a tmpfs of its own, closed to all but root, so
// that no value is ever written to a disk.
//
// Threads: any; one at a time for one directory. Errors: INTERNAL with the kernel's words.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"

namespace berth::runtime::secrets {

// Makes the directory and mounts the tmpfs over it, where it is not there yet.
[[nodiscard]] sdk::Result<void> open_place(const std::filesystem::path& directory);

// Takes both away; missing is fine.
[[nodiscard]] sdk::Result<void> close_place(const std::filesystem::path& directory);

// A secret that the container gets as a file.
struct SecretFile {
  std::string path;  // absolute, in the container
  std::string value;
};
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};
// Writes them in an open place, readable by their owner alone, and gives what mounts them
// read-only.
[[nodiscard]] sdk::Result<std::vector<v1::Mount>> write_files(
    const std::filesystem::path& directory, const std::vector<SecretFile>& files, Owner owner);

// Overwrites, in the very blocks of the file, the variables of an OCI config.json with blanks.
// A missing file is fine.
[[nodiscard]] sdk::Result<void> blot_out(const std::filesystem::path& config_file);

}  // namespace berth::runtime::secrets
