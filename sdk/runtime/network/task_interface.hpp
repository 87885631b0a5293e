// SPDX-License-Identifier: Apache-2.0
// The interface of a task with an address of its own, and the security groups on it, as the network
// needs them.
//
// Threads: any.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/netlink.hpp"

namespace berth::runtime {

struct SecurityRule {
  std::string protocol = "-1";  // "tcp", "udp", "icmp", "-1": any
  std::uint16_t from_port = 0;  // 0: any
  std::uint16_t to_port = 0;
  std::string cidr;   // the other side,
  std::string group;  // or the interfaces with this group
  auto operator<=>(const SecurityRule&) const = default;
};

struct SecurityGroup {
  std::string id;  // of [A-Za-z0-9_-]
  std::vector<SecurityRule> ingress;
  std::vector<SecurityRule> egress;
};

struct TaskInterface {
  std::string id;       // the task's
  std::string address;  // IPv4
  unsigned prefix_length = 0;
  std::string gateway;
  std::string mac;  // "02:be:0a:00:00:04"
  std::vector<SecurityGroup> groups;
  std::vector<std::string> network_cidrs;  // of all subnets
  // Bodies of nftables rules of the host's plugins, which come before the groups'.
  std::vector<std::string> ingress_rules{};
  std::vector<std::string> egress_rules{};
};

[[nodiscard]] std::optional<MacAddress> parse_mac(const std::string& text);

// Errors: INVALID, naming the member. What passes is safe to stand in a rule's text.
[[nodiscard]] sdk::Result<void> check_interface(const TaskInterface& interface);

}  // namespace berth::runtime
