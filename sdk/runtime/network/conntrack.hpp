// SPDX-License-Identifier: Apache-2.0
// The kernel's memory of UDP flows, which NAT rules are not asked for again once a flow is known: a
// client that goes on sending from one port would reach the container before, or nobody, for as
// long as it sends.
//
// Threads: any. Errors: INTERNAL with the kernel's words, where connections cannot be listed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

struct UdpFlows {
  std::vector<std::uint16_t> host_ports;  // of this host
  // All that lead to this address; empty: all that lead nowhere, unanswered and not translated.
  std::string address{};
};

// Of the calling thread's network namespace. The next packet of such a flow meets the rules anew.
[[nodiscard]] sdk::Result<void> forget_flows(const UdpFlows& flows);

}  // namespace berth::runtime
