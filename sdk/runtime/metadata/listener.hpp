// SPDX-License-Identifier: Apache-2.0
// The listening sockets of the task endpoints: 169.254.170.2:80 inside a network namespace, a
// loopback port of the host for tasks that have its network.
//
// Inside a namespace the socket is at 169.254.170.2:51679, and two stateless nftables rules turn
// port 80 into it and back, on the loopback device alone: a socket that listened at port 80 itself
// would keep the container's own server from 0.0.0.0:80. What comes for the address by another
// device is dropped. Address, rules and socket go with the namespace.
// Threads: any. Errors: INTERNAL, DENIED, UNAVAILABLE (the port is taken).
#pragma once

#include <cstdint>
#include <string>

#include "berth/result.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::metadata {

inline constexpr const char* kAddress = "169.254.170.2";

// In the namespace under this path (or /proc/PID/ns/net), by a thread of the call's own, which ends
// with it. May be called again for the same one, once its socket is closed.
[[nodiscard]] sdk::Result<OwnedFd> listen_in_netns(const std::string& netns_path);

struct LoopbackListener {
  OwnedFd socket;
  std::uint16_t port = 0;
};
// At 127.0.0.1 of the caller's namespace; port 0: ECS's 51679 where it is free, else any free one.
[[nodiscard]] sdk::Result<LoopbackListener> listen_on_loopback(std::uint16_t port);

}  // namespace berth::runtime::metadata
