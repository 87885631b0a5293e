// SPDX-License-Identifier: Apache-2.0
// Reads [plugins.NAME] of the agent's configuration, as berthd reads its own.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "sdk/runtime/devices/plugin_settings.hpp"

namespace berth::runtime {

// What is wrong with it, as the end of a sentence ("must be ..."); empty: nothing.
[[nodiscard]] std::string read_plugin_tables(const toml::node& node, HostPluginTables& out);

}  // namespace berth::runtime
