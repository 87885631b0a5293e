// SPDX-License-Identifier: Apache-2.0
// A file that holds an ext4 file system, mounted.
//
// Threads: any. Needs CAP_SYS_ADMIN. Errors: UNAVAILABLE no loop device is free; INTERNAL the rest.
#pragma once

#include <string>

#include "berth/result.hpp"

namespace berth::runtime {

// The loop device goes with the mount.
[[nodiscard]] sdk::Result<void> mount_image(const std::string& image, const std::string& target);
// Also what is busy still. Not mounted is fine.
[[nodiscard]] sdk::Result<void> unmount_image(const std::string& target);
[[nodiscard]] bool is_mount_point(const std::string& path);

}  // namespace berth::runtime
