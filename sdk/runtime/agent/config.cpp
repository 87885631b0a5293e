// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/config.hpp"

#include <functional>
#include <limits>

#include <arpa/inet.h>
#include <toml++/toml.h>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/runtime/agent/plugin_tables.hpp"
#include "sdk/runtime/oci/runtime_program.hpp"

namespace berth::runtime {
namespace {

// What is wrong with a value; empty: nothing.
using Problem = std::string;
using Reader = std::function<Problem(const toml::node&)>;

Reader text(std::string& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto value = node.value<std::string>();
    if (!node.is_string() || !value) return "must be a text";
    out = *value;
    return {};
  };
}

Reader path(std::filesystem::path& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto value = node.value<std::string>();
    if (!node.is_string() || !value || value->empty()) return "must be a path";
    out = *value;
    return {};
  };
}

struct Bounds {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

template <typename Set>
Reader number(Bounds bounds, Set set) {
  return [bounds, set](const toml::node& node) -> Problem {
    const auto value = node.value<std::int64_t>();
    if (!node.is_integer() || !value) return "must be a whole number";
    if (*value < bounds.min || *value > bounds.max) {
      return "must be between " + std::to_string(bounds.min) + " and " + std::to_string(bounds.max);
    }
    set(*value);
    return {};
  };
}

Reader ports(std::vector<std::uint16_t>& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto* list = node.as_array();
    if (!list) return "must be a list of ports";
    out.clear();
    for (const auto& item : *list) {
      const auto value = item.value<std::int64_t>();
      if (!item.is_integer() || !value || *value < 1 || *value > 65535) return "must be a list of ports";
      out.push_back(static_cast<std::uint16_t>(*value));
    }
    return {};
  };
}

Reader words(std::vector<std::string>& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto* list = node.as_array();
    if (!list) return "must be a list of texts";
    for (const auto& item : *list) {
      const auto value = item.value<std::string>();
      if (!item.is_string() || !value) return "must be a list of texts";
      out.push_back(*value);
    }
    const auto good = check_runtime_options(out);
    return good ? Problem() : "has " + good.error().message;
  };
}

// In place of the default ones.
Reader directories(std::vector<std::string>& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto* list = node.as_array();
    if (!list || list->empty()) return "must be a list of absolute paths";
    out.clear();
    for (const auto& item : *list) {
      const auto value = item.value<std::string>();
      const bool good = item.is_string() && value && value->starts_with('/') && value->find(':') == std::string::npos;
      if (!good) return "must be a list of absolute paths";
      out.push_back(*value);
    }
    return {};
  };
}

// Of a user or group on the host; root is none to be given away.
Reader id(std::uint32_t& out) {
  return number({.min = 1, .max = 4'294'967'294}, [&out](std::int64_t n) { out = static_cast<std::uint32_t>(n); });
}

Reader texts(std::map<std::string, std::string>& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto* table = node.as_table();
    if (!table) return "must be a table of texts";
    for (const auto& [key, value] : *table) {
      const auto one = value.value<std::string>();
      if (!value.is_string() || !one) return "must be a table of texts: " + std::string(key.str()) + " is not one";
      out.emplace(key.str(), *one);
    }
    return {};
  };
}

Reader absolute(std::filesystem::path& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto value = node.value<std::string>();
    if (!node.is_string() || !value || !value->starts_with('/')) return "must be an absolute path";
    out = *value;
    return {};
  };
}

Reader url(std::string& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto value = node.value<std::string>();
    const bool good = node.is_string() && value && (value->starts_with("http://") || value->starts_with("https://"));
    if (!good) return "must be a URL, http:// or https://";
    out = *value;
    while (out.ends_with('/')) out.pop_back();
    return {};
  };
}

Reader flag(bool& out) {
  return [&out](const toml::node& node) -> Problem {
    const auto value = node.value<bool>();
    if (!node.is_boolean() || !value) return "must be true or false";
    out = *value;
    return {};
  };
}

// A table of its own, whose keys are all known.
Reader section(std::map<std::string, Reader, std::less<>> known) {
  return [known = std::move(known)](const toml::node& node) -> Problem {
    const auto* table = node.as_table();
    if (!table) return "must be a table";
    for (const auto& [key, value] : *table) {
      const auto reader = known.find(key.str());
      if (reader == known.end()) return "has an unknown key '" + std::string(key.str()) + "'";
      if (const Problem problem = reader->second(value); !problem.empty()) return "has " + std::string(key.str()) + ", which " + problem;
    }
    return {};
  };
}

// A section that says nothing without these keys.
Reader needing(std::vector<std::string> keys, Reader reader) {
  return [keys = std::move(keys), reader = std::move(reader)](const toml::node& node) -> Problem {
    const auto* table = node.as_table();
    for (const std::string& key : keys) {
      if (table && !table->contains(key)) return "needs " + key;
    }
    return reader(node);
  };
}

Problem read_range(const std::string& value, PortRange& out) {
  const auto dash = value.find('-');
  const auto first = fleet::Endpoint::parse("x:" + value.substr(0, dash));
  const auto last = dash == std::string::npos ? first : fleet::Endpoint::parse("x:" + value.substr(dash + 1));
  if (!first || !last || first->port == 0 || first->port > last->port) return "must be a range of ports, \"49153-65535\"";
  out = {first->port, last->port};
  return {};
}

Problem read_pull(const std::string& value, PullBehaviour& out) {
  const std::map<std::string, PullBehaviour> words = {{"default", PullBehaviour::Default},
                                                      {"always", PullBehaviour::Always},
                                                      {"once", PullBehaviour::Once},
                                                      {"prefer-cached", PullBehaviour::PreferCached}};
  const auto at = words.find(value);
  if (at == words.end()) return "must be default, always, once or prefer-cached";
  out = at->second;
  return {};
}

Reader word(std::function<Problem(const std::string&)> read) {
  return [read = std::move(read)](const toml::node& node) -> Problem {
    const auto value = node.value<std::string>();
    if (!node.is_string() || !value) return "must be a text";
    return read(*value);
  };
}

Problem read_address(const std::string& value, std::string& out) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, value.c_str(), &parsed) != 1 || value.starts_with("127.")) {
    return "must be an IPv4 address at which other hosts reach this one";
  }
  out = value;
  return {};
}

Problem read_level(const std::string& value, std::string& out) {
  for (const char* level : {"trace", "debug", "info", "warn", "error"}) {
    if (value == level) {
      out = value;
      return {};
    }
  }
  return "must be trace, debug, info, warn or error";
}

std::map<std::string, Reader, std::less<>> readers(AgentConfig& c, std::string& server) {
  TasksConfig& t = c.tasks;
  constexpr std::int64_t kYear = 366LL * 24 * 3600;
  const auto seconds = [](std::chrono::seconds& out) {
    return number({.min = 0, .max = kYear}, [&out](std::int64_t n) { out = std::chrono::seconds(n); });
  };
  const auto count = [](unsigned& out, std::int64_t most) {
    return number({.min = 1, .max = most}, [&out](std::int64_t n) { out = static_cast<unsigned>(n); });
  };
  return {
      {"server", text(server)},
      {"join_token", text(c.join_token)},
      {"join_token_file", path(c.join_token_file)},
      {"pid_file", path(c.pid_file)},
      {"address", word([&c](const std::string& v) { return read_address(v, c.address); })},
      {"cni", absolute(t.cni)},
      {"cni_plugins", directories(t.cni_plugins)},
      {"cluster", text(c.cluster)},
      {"log_level", word([&c](const std::string& v) { return read_level(v, c.log_level); })},
      {"cpu", number({.min = 1, .max = 1 << 30}, [&c](std::int64_t n) { c.cpu = n; })},
      {"memory", number({.min = 1, .max = 1LL << 40}, [&c](std::int64_t n) { c.memory_mib = n; })},
      {"attributes", texts(c.attributes)},
      {"tags", texts(c.tags)},
      {"availability_zone", text(c.availability_zone)},
      {"instance_type", text(c.instance_type)},
      {"ec2_instance_id", text(c.ec2_instance_id)},
      {"capacity_provider", text(c.capacity_provider)},
      {"eni_slots", number({.min = 0, .max = 16'384}, [&c](std::int64_t n) { c.eni_slots = n; })},
      {"plugins", [&c](const toml::node& node) { return read_plugin_tables(node, c.plugins); }},
      {"plugin_dirs", directories(c.plugin_dirs)},
      {"control_ports", ports(c.control_ports)},
      {"reserved_ports", ports(c.reserved_ports)},
      {"reserved_ports_udp", ports(c.reserved_ports_udp)},
      {"data_dir", path(t.data_dir)},
      {"secrets", section({{"directory", absolute(t.secret_settings.directory)},
                           {"environment_files", absolute(t.secret_settings.environment_files)},
                           {"aws", flag(t.secret_settings.ask_aws)},
                           {"region", text(t.secret_settings.region)},
                           {"ssm_endpoint", url(t.secret_settings.aws.ssm_endpoint)},
                           {"secretsmanager_endpoint", url(t.secret_settings.aws.secretsmanager_endpoint)},
                           {"s3_endpoint", url(t.secret_settings.aws.s3_endpoint)},
                           {"ca_file", text(t.secret_settings.aws.ca_file)}})},
      {"runtime", text(t.runtime)},
      {"runtime_options", words(t.runtime_options)},
      {"user_namespaces", needing({"first_id", "last_id"}, section({{"first_id", id(t.user_namespaces.first)},
                                                                    {"last_id", id(t.user_namespaces.last)},
                                                                    {"ids_per_task", id(t.user_namespaces.per_task)}}))},
      {"task_limits",
       section({{"pids", number({.min = 1, .max = 4'194'304}, [&t](std::int64_t n) { t.allowance.pids = n; })},
                {"disk_gib", number({.min = 1, .max = 16'384}, [&t](std::int64_t n) { t.allowance.disk_gib = n; })}})},
      {"monitor", path(t.monitor)},
      {"bridge", text(t.bridge)},
      {"subnet", text(t.subnet)},
      {"cgroup_parent", text(t.cgroup_parent)},
      {"dynamic_ports",
       word([&t](const std::string& v) { return read_range(v, t.dynamic_ports); })},
      {"stop_timeout_seconds", seconds(t.stop_timeout)},
      {"cleanup_wait_seconds", seconds(t.cleanup_wait)},
      {"remember_forgotten_seconds", seconds(t.remember_forgotten)},
      {"image_pull_behavior", word([&t](const std::string& v) { return read_pull(v, t.pull); })},
      {"image_cleanup_interval_seconds", seconds(t.image_cleanup_interval)},
      {"image_minimum_age_seconds", seconds(t.image_minimum_age)},
      {"images_per_cleanup", count(t.images_per_cleanup, 100'000)},
      {"image_free_percent",
       number({.min = 0, .max = 90}, [&t](std::int64_t n) { t.image_free_percent = static_cast<unsigned>(n); })},
      {"image_max_gib", count(t.image_max_gib, 1 << 20)},
      {"stop_disk_fillers", flag(t.stop_disk_fillers)},
      {"cpu_period_ms",
       number({.min = 8, .max = 100},
              [&t](std::int64_t n) { t.cpu_period = std::chrono::milliseconds(n); })},
      {"concurrent_starts", count(t.concurrent_starts, 256)},
      {"concurrent_pulls", count(t.concurrent_pulls, 256)},
      {"log_followers", count(t.log_followers, 4096)},
  };
}

Problem problem_of(const IdRangeSettings& ids, const std::string& runtime) {
  if (ids.first == 0 && ids.last == 0) return {};
  if (ids.last < ids.first || ids.ranges() == 0) {
    return "first_id to last_id holds no range of " + std::to_string(ids.per_task) + " ids";
  }
  if (ids.per_task < 1'000) return "ids_per_task is at least 1000: images have users of their own";
  if (runtime_kind(runtime) == RuntimeKind::Sandbox) return "runsc has ids of its own already";
  return {};
}

sdk::Result<void> check(AgentConfig& config, const std::string& server, const std::string& name) {
  const auto bad = [&](const std::string& why) { return sdk::fail(BERTH_INVALID, name + ": " + why); };
  if (server.empty()) return bad("server is missing: \"HOST:PORT\" of the control plane's fleet");
  auto endpoint = fleet::Endpoint::parse(server);
  if (!endpoint || endpoint->host.empty() || endpoint->port == 0) return bad("server: '" + server + "' is not HOST:PORT");
  config.server = *endpoint;
  if (config.tasks.data_dir.empty()) return bad("data_dir is missing: a directory of the agent's own");
  if (!config.tasks.data_dir.is_absolute()) return bad("data_dir: '" + config.tasks.data_dir.string() + "' is not an absolute path");
  if (!config.join_token.empty() && !config.join_token_file.empty()) return bad("join_token and join_token_file: give one of them");
  if (const Problem problem = problem_of(config.tasks.user_namespaces, config.tasks.runtime); !problem.empty()) {
    return bad("user_namespaces: " + problem);
  }
  if (config.pid_file.empty()) config.pid_file = config.tasks.data_dir / "agent.pid";
  return {};
}

}  // namespace

sdk::Result<AgentConfig> parse_agent_config(std::string_view text, const std::string& name) {
  const auto place = [&](const toml::source_region& at) { return name + ":" + std::to_string(at.begin.line) + ": "; };
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& problem) {
    return sdk::fail(BERTH_INVALID, place(problem.source()) + std::string(problem.description()));
  }
  AgentConfig config;
  std::string server;
  const auto known = readers(config, server);
  for (const auto& [key, node] : table) {
    const auto reader = known.find(key.str());
    if (reader == known.end()) {
      return sdk::fail(BERTH_INVALID, place(node.source()) + "unknown key '" + std::string(key.str()) + "'", std::string(key.str()));
    }
    if (const Problem problem = reader->second(node); !problem.empty()) {
      return sdk::fail(BERTH_INVALID, place(node.source()) + std::string(key.str()) + " " + problem, std::string(key.str()));
    }
  }
  if (auto checked = check(config, server, name); !checked) return checked.error();
  return config;
}

sdk::Result<AgentConfig> read_agent_config(const std::filesystem::path& file) {
  auto text = fleet::read_small_file(file);
  if (!text) return text.error();
  return parse_agent_config(*text, file.string());
}

}  // namespace berth::runtime
