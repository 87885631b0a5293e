// SPDX-License-Identifier: Apache-2.0
// The OCI configuration (config.json) of a container: Docker's defaults, the definition's wishes,
// and no more than this host may give.
//
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/oci/container.hpp"

namespace berth::runtime {

// What this process may hand on; a runtime fails when it is asked for more.
struct HostAbilities {
  std::uint64_t bounding_caps = ~std::uint64_t{0};   // bit n: capability n
  std::uint64_t nofile_hard = 1'048'576;             // highest hard limit of open files
  std::map<std::string, std::uint64_t> hard_limits;  // of the other ulimits; missing: none
  bool apparmor = false;
  bool sandboxed = false;  // by the runtime: the container's kernel is not the host's
  bool unified_cgroups = false;  // v2: a private cgroup namespace, no swappable v1 files
  bool swap_accounting = true;   // v1 memory.memsw.* exists
  std::vector<std::string>
      thermal_throttle;  // /sys/devices/system/cpu/cpuN/thermal_throttle that exist

  // Of this process on this host.
  static HostAbilities detect();
};

// The text of config.json. Errors: INVALID names the member of the spec at fault.
[[nodiscard]] sdk::Result<std::string> build_config(const ContainerSpec& spec,
                                                    const HostAbilities& host);

// What of the spec's wishes this host cannot give in full, a sentence each, for whoever asked.
[[nodiscard]] std::vector<std::string> lowered_wishes(const ContainerSpec& spec,
                                                      const HostAbilities& host);

}  // namespace berth::runtime
