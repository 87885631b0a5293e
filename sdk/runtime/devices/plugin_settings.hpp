// SPDX-License-Identifier: Apache-2.0
// [plugins.NAME] of an agent's configuration.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace berth::runtime {

struct HostPluginSettings {
  std::filesystem::path path{};  // of the library; empty: by its name in the directories
  bool enabled = true;
  // The plugin's own: nested tables joined by dots, items of an array counted from 0.
  std::map<std::string, std::string> settings{};
};
using HostPluginTables = std::map<std::string, HostPluginSettings>;  // by name

}  // namespace berth::runtime
