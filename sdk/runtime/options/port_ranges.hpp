// SPDX-License-Identifier: Apache-2.0
// Reads containerPortRange of port mappings.
//
// Threads: any; pure. Errors: INVALID, with the member at fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

// Ports of one container's ranges together: each published port is an entry of the host's table
// and a socket of the agent's.
inline constexpr int kMostRangePorts = 1024;

struct ContainerPorts {
  std::uint16_t first = 0;
  std::uint16_t count = 0;
};

// "8000-8010"; nothing for any other text.
[[nodiscard]] std::optional<ContainerPorts> read_port_range(std::string_view text);

[[nodiscard]] sdk::Result<void> check_port_ranges(const v1::ecs::TaskDefinition& task,
                                                  int container);

}  // namespace berth::runtime::options
