// SPDX-License-Identifier: Apache-2.0
// berth.toml, read and checked: what an operator may say to a control plane.
//
// Every key that is not known is refused with its name and place: a misspelt option must not be ignored.
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/error.hpp"
#include "core/model/subnet.hpp"

namespace berth::daemon {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};

// [plugins.NAME]: `path` and `enabled` are Berth's, all else goes to the plugin, nested tables joined by dots, items
// of a list counted from 0.
struct PluginSection {
  std::string path;  // of the library; empty: found by name in the plugin directories
  bool enabled = true;
  std::map<std::string, std::string> settings;
};

// [agent]: this host's agent, for `berth up`.
struct AgentSection {
  std::string fleet;  // the plugin whose agent runs here; empty: the first that has a fleet
  std::string settings_json = "{}";  // all other keys, for the agent's own configuration
};

// [placement]
struct PlacementSection {
  struct Strategy {
    std::string type;
    std::string field;
  };
  // A class of tasks that are expected, for the strategy fragmentation.
  struct ExpectedTask {
    std::int64_t cpu = 0;
    std::int64_t gpus = 0;       // whole ones, or
    std::int64_t gpu_milli = 0;  // thousandths of one
    std::vector<std::string> models;
    std::int64_t weight = 1;
  };
  std::vector<std::string> strategies;       // beyond ECS's, that requests may name
  std::vector<Strategy> default_strategies;  // where a request names none; none: ECS's
  std::vector<ExpectedTask> expected_tasks;
  // What the engine of one cluster may keep, at most: see placement::EngineOptions.
  std::int64_t count_cache_mib = 256;
  std::int64_t score_cache_mib = 64;
};

// [[access_key]]
struct AccessKey {
  std::string id;
  std::string secret;
};

struct Config {
  std::filesystem::path data_dir = "/var/lib/berth";
  Endpoint api{"127.0.0.1", 5080};
  std::string region = "us-east-1";
  std::string account = "000000000000";
  std::string default_cluster = "default";
  std::chrono::seconds stopped_task_retention{3600};  // at least an hour
  std::chrono::seconds service_healthy_after{40};     // RUNNING for so long counts as healthy
  bool early_exits_fail_deployments = true;           // see core/daemon/README.md
  std::string tls_certificate;                        // PEM files; both or none
  std::string tls_key;
  std::vector<AccessKey> access_keys;
  std::vector<std::filesystem::path> plugin_dirs;  // empty: the one beside the program
  bool free_ports = false;                         // plugins listen on free ports unless told
  std::string log_level = "info";
  std::map<std::string, PluginSection> plugins;
  AgentSection agent;
  PlacementSection placement;
  NetworkSettings networks;  // [[subnet]], [[security_group]]; see complete_networks
};

// Errors: Invalid, with file, line and key.
[[nodiscard]] Result<Config> read_config(const std::filesystem::path& file);
[[nodiscard]] Result<Config> parse_config(std::string_view text, std::string_view name);
// Fills in what no table says: the zone of a subnet; sg-default; and where there is no subnet at
// all subnet-default, whose range follows from the data directory, so that several control planes
// on one host do not meet.
void complete_networks(Config& config);
// "HOST:PORT", "[::1]:PORT". Errors: Invalid.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
enum class Secrets {
  None,
  FirstAccessKey,  // `access_key`, by which `berth up` and `berth down` sign what they ask the API
};
// The whole as JSON: `berthd --print-config`.
[[nodiscard]] std::string describe(const Config& config, Secrets secrets = Secrets::None);

}  // namespace berth::daemon
