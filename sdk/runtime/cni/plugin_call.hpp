// SPDX-License-Identifier: Apache-2.0
// One call of a CNI plugin: a program that reads a configuration and prints a result.
//
// Threads: any; blocks. Errors: INTERNAL with the plugin's own words; DEADLINE and CANCELLED it was
// killed; UNAVAILABLE it could not be started.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime::cni {

struct PluginCall {
  std::string program;  // absolute
  std::string command;  // "ADD", "DEL" or "CHECK"
  std::string container_id;
  std::string netns;  // empty where it is gone
  std::string interface_name;
  std::string search_path;  // CNI_PATH: plugins run others of theirs
  std::string input;        // the configuration
  // A file that the plugin, and what it starts, hold locked as long as they live, whatever becomes of
  // the agent. One that another holds is waited for, at most as long as a plugin may take.
  std::string lock;
  std::chrono::milliseconds timeout{60'000};
  std::stop_token cancel{};
};

// What it printed, at most 1 MiB. Nothing of the agent's environment reaches it.
[[nodiscard]] sdk::Result<std::string> run_plugin(const PluginCall& call);

// The program of this name in the first of these directories that has it. Errors: NOT_FOUND.
[[nodiscard]] sdk::Result<std::string> find_plugin(const std::string& type,
                                                   const std::vector<std::string>& directories);

}  // namespace berth::runtime::cni
