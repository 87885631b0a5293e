// SPDX-License-Identifier: Apache-2.0
// A configuration against the host it is meant for: what reading it alone cannot tell.
//
// Threads: any; a host name may take as long as the resolver does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/daemon/config.hpp"

namespace berth::daemon {

// Whether a control plane could start with it: its address, its files, and the plugins that it
// names. Errors: what stands in the way, with the key.
[[nodiscard]] Result<void> check_config(const Config& config);

// The IP address to listen at: a name's first, IPv4 before IPv6. Errors: NotFound.
[[nodiscard]] Result<std::string> listen_address(const std::string& host);

// Where plugins are looked for.
[[nodiscard]] std::vector<std::filesystem::path> plugin_directories(const Config& config);

}  // namespace berth::daemon
