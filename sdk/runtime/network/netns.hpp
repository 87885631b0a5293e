// SPDX-License-Identifier: Apache-2.0
// Network namespaces with a name: files that keep them while no process is in them, as `ip netns`
// does.
//
// Threads: any. Errors: INTERNAL, DENIED.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/network/netlink.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

struct NamedNetns {
  OwnedFd fd;
  Netlink netlink;  // inside it
};

// A new one under this path; what was there before is removed. Its directory is made.
[[nodiscard]] sdk::Result<NamedNetns> make_netns(const std::string& path);

// Missing is fine. The kernel takes the namespace apart once its last process is gone, a little
// later.
[[nodiscard]] sdk::Result<void> remove_netns(const std::string& path);

// Whether a namespace is kept there.
[[nodiscard]] bool is_netns(const std::string& path);

}  // namespace berth::runtime
