// SPDX-License-Identifier: Apache-2.0
// Between the fleet's words about task interfaces and the network's.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/fleet/v1/fleet.pb.h"
#include "sdk/fleet/client.hpp"
#include "sdk/runtime/network/peers.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {

[[nodiscard]] PeerNews peer_news(const fleet::v1::Peers& peers);

// Tells the fleet of this host's interfaces. `client` must outlive it.
[[nodiscard]] InterfaceListener interface_listener(fleet::Client& client);

// The control plane is at `server`, "ADDRESS:PORT": tasks have no business there, nor at its other
// `ports`. A name in place of the address closes nothing.
void close_doors(Tasks& tasks, const std::string& server, const std::vector<std::uint16_t>& ports);

}  // namespace berth::runtime
