// SPDX-License-Identifier: Apache-2.0
// The `o` of Docker's volume driver local, as mount(2) takes it.
//
// Threads: any; pure.
#pragma once

#include <string>
#include <string_view>

namespace berth::runtime::volume {

struct MountOptions {
  unsigned long flags = 0;  // MS_*
  std::string data;         // what is the file system's to understand
};

[[nodiscard]] MountOptions parse_mount_options(std::string_view text);

}  // namespace berth::runtime::volume
