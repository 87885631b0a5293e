// SPDX-License-Identifier: Apache-2.0
// [[subnet]] and [[security_group]] of berth.toml.
//
// Threads: any. Errors: Invalid, with file, line and key.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string_view>

#include "core/daemon/config.hpp"

namespace berth::daemon {

[[nodiscard]] std::optional<Error> read_subnets(std::string_view file, const toml::node& node,
                                                NetworkSettings& out);
[[nodiscard]] std::optional<Error> read_groups(std::string_view file, const toml::node& node,
                                               NetworkSettings& out);

}  // namespace berth::daemon
