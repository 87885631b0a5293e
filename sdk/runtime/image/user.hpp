// SPDX-License-Identifier: Apache-2.0
// Who a container's process is: "user[:group]" of an image or a task definition, looked up in a
// root file system.
//
// Threads: any. The files are opened inside the root whatever links the image put there, and are
// read as data of strangers: too long or malformed lines are skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime::image {

struct ProcessUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t>
      additional_gids{};   // sorted; none where a group was given, as Docker does it
  std::string name{};      // where /etc/passwd has one
  std::string home = "/";  // of /etc/passwd
};

// `user`: "", "name", "uid", either with ":group" or ":gid". Empty is root. A number needs no
// entry. Errors: INVALID for a name that the root file system does not know, or a number out of
// range.
[[nodiscard]] sdk::Result<ProcessUser> resolve_user(const std::string& rootfs,
                                                    std::string_view user);

}  // namespace berth::runtime::image
