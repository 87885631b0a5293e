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
#include "sdk/runtime/id_range.hpp"
#include "sdk/runtime/image/image.hpp"

namespace berth::runtime::image {

struct RootfsOptions {
  bool read_only = false;  // containers see EROFS
  // Owners are shown, and what is written is owned, within this range: a container in a user
  // namespace sees its own 0 and up. The layers themselves stay as they are.
  IdRange ids{};
  // Where it is mounted, absolute; empty: `directory`/rootfs. For a container whose root may not
  // pass through `directory`.
  std::string target{};
};

// Makes `directory`/{upper,work,rootfs} as needed, mounts, and returns the path of rootfs. Where
// rootfs is a mount point already (after a restart of the agent) that one is kept: never two mounts
// of one upper.
[[nodiscard]] sdk::Result<std::string> mount_rootfs(const Image& image,
                                                    const std::string& directory,
                                                    const RootfsOptions& options = {});

// Unmounts `directory`/rootfs, or `target`, and removes the latter; where it is busy although all its processes are said to be gone,
// detaches it. Not mounted is fine. Leaves the directories.
[[nodiscard]] sdk::Result<void> unmount_rootfs(const std::string& directory,
                                               const std::string& target = {});

// unmount_rootfs, then removes `directory` with all in it, crossing no mount and following no link.
// Missing is fine.
[[nodiscard]] sdk::Result<void> remove_rootfs(const std::string& directory,
                                              const std::string& target = {});

}  // namespace berth::runtime::image
