// SPDX-License-Identifier: Apache-2.0
// Which task interfaces are behind which agent, as the agents say; and what of that has changed
// since others were told.
//
// Invariants: 1. An address is behind one agent: who claims it first keeps it until they give it up
// or are forgotten.
// 2. What a disconnected agent has stays: its host's tasks run on. Pure. Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/fleet/v1/fleet.pb.h"
#include "berth/result.hpp"

namespace berth::fleet {

class PeerBook {
 public:
  // News of one agent, whose connection comes from `seen_at` ("ADDRESS:PORT"). Gives the addresses
  // that another has. Errors: INVALID for what is no address, or too much; then nothing is taken.
  sdk::Result<std::vector<std::string>> take(const std::string& node, const v1::Interfaces& news,
                                             const std::string& seen_at);
  void forget(const std::string& node);

  // All that others than `node` have, of those that were heard of; `silent` is not filled in.
  [[nodiscard]] v1::Peers all_but(const std::string& node) const;
  [[nodiscard]] bool knows(const std::string& node) const { return hosts_.contains(node); }

  // What has changed since the last time, a Peer for each agent, by its id. Empty: nothing.
  [[nodiscard]] std::map<std::string, v1::Peer> changes();

 private:
  struct Host {
    std::string address;
    std::map<std::string, v1::Interface> interfaces;
  };
  struct Changed {
    bool whole = false;
    std::set<std::string> addresses;
  };
  void drop(const std::string& node, Host& host, const std::string& address);

  std::map<std::string, Host> hosts_;
  std::map<std::string, std::string> owner_;  // address to node
  std::map<std::string, Changed> changed_;
};

// The IPv4 address of "ADDRESS:PORT" as other hosts would use it; empty for loopback and for IPv6.
[[nodiscard]] std::string reachable_address(const std::string& peer);

}  // namespace berth::fleet
