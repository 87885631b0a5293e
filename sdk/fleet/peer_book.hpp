// SPDX-License-Identifier: Apache-2.0
// Which task interfaces are behind which agent, as the agents say and the plugin grants; and what of
// that has changed since others were told.
//
// Invariants: 1. Others hear of an interface that its agent claims, with the groups that it was
// granted there, and of no other: an agent cannot take an address nor a group that no task of its
// has. 2. What a disconnected agent has stays: its host's tasks run on. Pure. Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/fleet/v1/fleet.pb.h"
#include "berth/result.hpp"

namespace berth::fleet {

// What a task was given by the core. An address is granted to one task at a time: the latest.
struct InterfaceGrant {
  std::string task_id;
  std::string node_id;
  v1::Interface interface;
};

class PeerBook {
 public:
  void grant(const InterfaceGrant& grant);
  // Of no effect where the address has been granted to another task meanwhile.
  void revoke(const std::string& address, const std::string& task_id);

  // News of one agent, whose connection comes from `seen_at` ("ADDRESS:PORT"). Gives the addresses
  // that are not granted to it so; they count once they are.
  // Errors: INVALID for what is no address, or too much; then nothing is taken.
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
    std::map<std::string, v1::Interface> claimed;
    std::map<std::string, v1::Interface> interfaces;  // of these, what is granted
  };
  struct Changed {
    bool whole = false;
    std::set<std::string> addresses;
  };
  [[nodiscard]] bool is_granted(const std::string& node, const v1::Interface& claim) const;
  // Whether the claim counts now. False: not, or there is none.
  bool settle(const std::string& node, const std::string& address);

  std::map<std::string, Host> hosts_;
  std::map<std::string, InterfaceGrant> grants_;  // by address
  std::map<std::string, Changed> changed_;
};

// The IPv4 address of "ADDRESS:PORT" as other hosts would use it; empty for loopback and for IPv6.
[[nodiscard]] std::string reachable_address(const std::string& peer);

}  // namespace berth::fleet
