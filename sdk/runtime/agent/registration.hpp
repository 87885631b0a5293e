// SPDX-License-Identifier: Apache-2.0
// What this host offers: attributes, capabilities and resources, as the agent registers them.
//
// Threads: any. Registers a capability only where this agent acts on it.
#pragma once

#include <cstdint>
#include <string>

#include "berth/fleet/v1/fleet.pb.h"
#include "sdk/runtime/agent/config.hpp"

namespace berth::runtime {

// What the machine is.
struct HostFacts {
  std::int64_t cpus = 1;         // that this process may use
  std::int64_t memory_mib = 0;   // MemTotal
  std::string architecture;      // "x86_64", "arm64"
  std::string instance_type;     // on EC2 the firmware tells; else empty
  bool apparmor = false;
  bool has_journal = false;      // systemd's journal takes logs
  std::string name{};            // what the host calls itself

  static HostFacts detect();
};

[[nodiscard]] fleet::v1::Registration make_registration(const AgentConfig& config, const HostFacts& host,
                                                        const std::string& runtime_version);

// Of the agent: "0.1.0".
[[nodiscard]] const char* agent_version();

}  // namespace berth::runtime
