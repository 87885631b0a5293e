// SPDX-License-Identifier: Apache-2.0
// The agent's configuration file, read and checked once.
//
// Threads: any. Errors: INVALID with file, line and key; every key must be known.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/fleet/transport.hpp"
#include "sdk/runtime/devices/plugin_settings.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {

struct AgentConfig {
  fleet::Endpoint server;                // server = "HOST:PORT" of the launch type plugin's fleet
  std::string join_token;                // join_token = "berth1:..."
  std::filesystem::path join_token_file; // or join_token_file = PATH
  std::filesystem::path pid_file;        // default: DATA_DIR/agent.pid
  std::string address;  // IPv4 where other hosts of the fleet reach this one; empty: as the control
                        // plane sees it
  // Where the control plane listens besides `server`: no task reaches these.
  std::vector<std::uint16_t> control_ports{5080, 5081, 5082, 5083};
  std::string cluster;                   // empty: the control plane's default
  std::string log_level = "info";

  // What it offers; absent: what the machine has.
  std::optional<std::int64_t> cpu;         // units, 1024 are one vCPU
  std::optional<std::int64_t> memory_mib;  // memory = MiB
  std::map<std::string, std::string> attributes;  // [attributes] NAME = "VALUE"
  std::map<std::string, std::string> tags;        // [tags] KEY = "VALUE"
  std::string availability_zone;
  std::string instance_type;
  std::string ec2_instance_id;
  std::string capacity_provider;
  std::int64_t eni_slots =
      512;  // tasks with an interface of their own (network mode awsvpc) at a time
  std::vector<std::uint16_t> reserved_ports;      // besides 22, 2375, 2376, 51678, 51679
  std::vector<std::uint16_t> reserved_ports_udp;

  // Libraries with roles for this host, and where those are that are named without a path; none: beside
  // the program, ../lib/berth/plugins.
  HostPluginTables plugins;  // [plugins.NAME]
  std::vector<std::string> plugin_dirs;

  TasksConfig tasks;  // data_dir, runtime, bridge, subnet, cgroup_parent, ...
};

[[nodiscard]] sdk::Result<AgentConfig> read_agent_config(const std::filesystem::path& file);
[[nodiscard]] sdk::Result<AgentConfig> parse_agent_config(std::string_view text, const std::string& name);

}  // namespace berth::runtime
