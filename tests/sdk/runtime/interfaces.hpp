// SPDX-License-Identifier: Apache-2.0
// Interfaces of tasks as tests want them.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "sdk/runtime/network/subnet.hpp"
#include "sdk/runtime/network/task_interface.hpp"

namespace berth::runtime::test {

// All from members, all may go out.
inline SecurityGroup default_group() {
  return {.id = "sg-default",
          .ingress = {{.protocol = "-1", .cidr = {}, .group = "sg-default"}},
          .egress = {{.protocol = "-1", .cidr = "0.0.0.0/0", .group = {}}}};
}

inline TaskInterface interface_at(const std::string& id, const std::string& address,
                                  std::vector<SecurityGroup> groups = {default_group()}) {
  const std::uint32_t number = parse_address(address).value();
  char mac[18];
  std::snprintf(mac, sizeof mac, "02:be:%02x:%02x:%02x:%02x", number >> 24, (number >> 16) & 0xff,
                (number >> 8) & 0xff, number & 0xff);
  return {.id = id,
          .address = address,
          .prefix_length = 20,
          .gateway = print_address((number & 0xfffff000u) + 1),
          .mac = mac,
          .groups = std::move(groups),
          .network_cidrs = {print_address(number & 0xfffff000u) + "/20"}};
}

}  // namespace berth::runtime::test
