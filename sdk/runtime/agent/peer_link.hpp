// SPDX-License-Identifier: Apache-2.0
// Between the fleet's words about task interfaces and the network's.
//
// Threads: any.
#pragma once

#include <string>

#include "berth/fleet/v1/fleet.pb.h"
#include "sdk/fleet/client.hpp"
#include "sdk/runtime/network/peers.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {

[[nodiscard]] PeerNews peer_news(const fleet::v1::Peers& peers);

// Tells the fleet of this host's interfaces. `client` must outlive it.
[[nodiscard]] InterfaceListener interface_listener(fleet::Client& client);

// The control plane is at `server`, "ADDRESS:PORT": tasks have no business there.
void close_door(Tasks& tasks, const std::string& server);

}  // namespace berth::runtime
