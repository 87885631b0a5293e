// SPDX-License-Identifier: Apache-2.0
// What tasks must not reach: where the control plane listens.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace berth::runtime {

struct Doors {
  std::string address;            // IPv4
  std::set<std::uint16_t> ports;  // TCP
  bool here = false;              // it is one of this host's: so are all the others
  bool operator==(const Doors&) const = default;
};

// Whether an IPv4 address is one of this host's, its loopback included.
[[nodiscard]] bool is_of_this_host(const std::string& address);

}  // namespace berth::runtime
