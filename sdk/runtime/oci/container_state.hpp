// SPDX-License-Identifier: Apache-2.0
// What a container's state directory says, compared with the processes that really are there.
//
// Threads: any.
#pragma once

#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/oci/container.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

// All of these tell what is not there from what could not be looked at, for want of descriptors say.
// Errors: UNAVAILABLE it cannot be told now; NOT_FOUND no such container.
[[nodiscard]] sdk::Result<ContainerView> read_view(const std::string& state_dir);

// Whether a monitor holds the lock on the container's file.
[[nodiscard]] sdk::Result<bool> monitor_alive(const std::string& state_dir);

// A pidfd of the container's init; invalid where it has ended (or the pid is another's by now).
[[nodiscard]] sdk::Result<OwnedFd> open_init(const ContainerHandle& handle);

// A connection to the container's monitor; invalid where there is none.
[[nodiscard]] sdk::Result<OwnedFd> connect_monitor(const std::string& state_dir);

}  // namespace berth::runtime
