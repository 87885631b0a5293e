// SPDX-License-Identifier: Apache-2.0
// Network namespaces with a name: files that keep them while no process is in them, as `ip netns`
// does.
//
// Threads: any. Errors: INTERNAL, DENIED.
#pragma once

#include <functional>
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

// Keeps the namespace of `from` at `to` too, whose directory exists; what was there before is
// removed.
[[nodiscard]] sdk::Result<void> link_netns(const std::string& from, const std::string& to);

// Runs `work` in the namespace that is kept there, on a thread of its own, and gives its result
// back. What it opens stays in that namespace: so a socket that listens for one task is made.
// Errors: those of `work`; NOT_FOUND.
[[nodiscard]] sdk::Result<OwnedFd> in_netns(const std::string& path,
                                            const std::function<sdk::Result<OwnedFd>()>& work);

// Whether a namespace is kept there.
[[nodiscard]] bool is_netns(const std::string& path);

}  // namespace berth::runtime
