// SPDX-License-Identifier: Apache-2.0
// A container's root file system: an overlay of an image's layers under a directory that the
// container writes.
//
// Options are index=off,metacopy=off, so that every upper is plain files on top of plain layers.
// Threads: any, one at a time for one directory. Needs CAP_SYS_ADMIN and runs in the caller's mount
// namespace. Errors: NO_CAPACITY disk full; PRECONDITION the directory lies on a file system that
// cannot be an upper; INTERNAL the rest.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/image/image.hpp"

namespace berth::runtime::image {

struct RootfsOptions {
  bool read_only = false;  // containers see EROFS
};

// Makes `directory`/{upper,work,rootfs} as needed, mounts, and returns the path of rootfs. Where
// rootfs is a mount point already (after a restart of the agent) that one is kept: never two mounts
// of one upper.
[[nodiscard]] sdk::Result<std::string> mount_rootfs(const Image& image,
                                                    const std::string& directory,
                                                    RootfsOptions options = {});

// Unmounts `directory`/rootfs; where it is busy although all its processes are said to be gone,
// detaches it. Not mounted is fine. Leaves the directories.
[[nodiscard]] sdk::Result<void> unmount_rootfs(const std::string& directory);

// unmount_rootfs, then removes `directory` with all in it, crossing no mount and following no link.
// Missing is fine.
[[nodiscard]] sdk::Result<void> remove_rootfs(const std::string& directory);

}  // namespace berth::runtime::image
