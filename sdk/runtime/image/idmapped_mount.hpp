// SPDX-License-Identifier: Apache-2.0
// Mounts that show the files of a directory with other owners, without a copy.
//
// Needs CAP_SYS_ADMIN and Linux 5.19 (idmapped layers of an overlay); runs in the caller's mount
// namespace. Threads: any. Errors: PRECONDITION the kernel or the file system cannot; INTERNAL.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/id_range.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::image {

// A user namespace in which the host's id `first` is 0 and so on; it lives as long as the
// descriptor. About 2 ms.
[[nodiscard]] sdk::Result<OwnedFd> make_user_namespace(IdRange ids);

// Mounts `from` at the directory `to` so that the host's root there is ids.first here.
[[nodiscard]] sdk::Result<void> mount_idmapped(const std::string& from, const std::string& to,
                                               int user_namespace);

}  // namespace berth::runtime::image
