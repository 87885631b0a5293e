// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <toml++/toml.h>

#include "core/daemon/config_networks.hpp"
#include "core/daemon/config_placement.hpp"
#include "core/daemon/config_section.hpp"
#include "core/model/arn.hpp"

namespace berth::daemon {
namespace {

std::optional<std::string> scalar(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return text;
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto number = node.value_exact<double>()) return std::to_string(*number);
  return std::nullopt;
}

// Nested tables become dotted keys, items of a list numbers from 0.
Refusal flatten(std::string_view file, const toml::node& node, const std::string& shown,
                const std::string& key, std::map<std::string, std::string>& out) {
  if (const auto value = scalar(node)) {
    out[key] = *value;
    return {};
  }
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, child] : *table) {
      const std::string part(name.str());
      // A part that holds dots itself (a host name) keeps them within quotes.
      const std::string joined = part.find('.') == std::string::npos ? part : '"' + part + '"';
      if (auto refusal = flatten(file, child, shown + "." + joined, key + "." + joined, out)) return refusal;
    }
    return {};
  }
  if (const toml::array* list = node.as_array()) {
    std::size_t index = 0;
    for (const auto& item : *list) {
      const std::string part = "." + std::to_string(index++);
      if (auto refusal = flatten(file, item, shown + part, key + part, out)) return refusal;
    }
    return {};
  }
  return refuse(file, node, shown, "dates and times are not understood here");
}

Refusal read_plugin(std::string_view file, const toml::node& node, const std::string& name,
                    PluginSection& out) {
  const toml::table* table = node.as_table();
  if (!table) return refuse(file, node, name, "must be a table");
  return Section(file, name, *table)
      .text("path", out.path)
      .on("enabled",
          [&](const toml::node& flag, const std::string& key) -> Refusal {
            const auto value = flag.value_exact<bool>();
            if (!value) return refuse(file, flag, key, "must be true or false");
            out.enabled = *value;
            return {};
          })
      .rest([&](const toml::node& child, const std::string& key) {
        return flatten(file, child, key, key.substr(name.size() + 1), out.settings);
      })
      .read();
}

Refusal read_agent(std::string_view file, const toml::node& node, AgentSection& out) {
  const toml::table* table = node.as_table();
  if (!table) return refuse(file, node, "agent", "must be a table");
  toml::table rest = *table;
  rest.erase("fleet");
  std::ostringstream json;
  json << toml::json_formatter(rest);
  out.settings_json = json.str();
  const auto keep = [](std::int64_t) {};
  return Section(file, "agent", *table)
      .text("fleet", out.fleet)
      .on("cpu", [&](const toml::node& value, const std::string& key) { return read_positive(file, value, key, 128, keep); })
      .on("memory", [&](const toml::node& value, const std::string& key) { return read_positive(file, value, key, 4, keep); })
      .rest([](const toml::node&, const std::string&) -> Refusal { return {}; })  // the agent knows its keys
      .read();
}

Refusal read_access_keys(std::string_view file, const toml::node& node,
                         std::vector<AccessKey>& out) {
  const toml::array* list = node.as_array();
  if (!list) return refuse(file, node, "access_key", "must be a list of tables: [[access_key]]");
  for (const auto& item : *list) {
    const toml::table* table = item.as_table();
    if (!table) return refuse(file, item, "access_key", "must be a table");
    AccessKey key;
    std::string secret_file;
    if (auto refusal = Section(file, "access_key", *table)
                           .text("id", key.id)
                           .text("secret", key.secret)
                           .text("secret_file", secret_file)
                           .read()) {
      return refusal;
    }
    if (!secret_file.empty()) {
      std::ifstream in(secret_file);
      if (!std::getline(in, key.secret)) {
        return refuse(file, member_of(*table, "secret_file"), "access_key.secret_file", "cannot be read: " + secret_file);
      }
    }
    if (key.id.empty() || key.secret.empty()) {
      return refuse(file, item, "access_key", "needs id, and secret or secret_file");
    }
    const auto same = [&](const AccessKey& other) { return other.id == key.id; };
    if (std::any_of(out.begin(), out.end(), same)) {
      return refuse(file, member_of(*table, "id"), "access_key.id", "the id '" + key.id + "' stands there twice");
    }
    out.push_back(std::move(key));
  }
  return {};
}

Refusal read_top(std::string_view file, const toml::table& table, Config& config) {
  Section section(file, "", table);
  std::string data_dir;
  const auto account = [&](const toml::node& node, const std::string& key) -> Refusal {
    const auto value = node.value_exact<std::string>();
    if (!value || value->size() != 12 || value->find_first_not_of("0123456789") != std::string::npos) {
      return refuse(file, node, key, "must be a string of 12 digits");
    }
    config.account = *value;
    return {};
  };
  // Both stand in ARNs.
  const auto name_like = [&](std::string& out) {
    return [&](const toml::node& node, const std::string& key) -> Refusal {
      const auto value = node.value_exact<std::string>();
      if (!value || !is_valid_name(*value)) {
        return refuse(file, node, key, "must be a string of letters, digits, '_' and '-'");
      }
      out = *value;
      return {};
    };
  };
  const auto log_level = [&](const toml::node& node, const std::string& key) -> Refusal {
    static const std::set<std::string> kLevels{"debug", "info", "warn", "error"};
    const auto value = node.value_exact<std::string>();
    if (!value || !kLevels.contains(*value)) {
      return refuse(file, node, key, "must be one of debug, info, warn, error");
    }
    config.log_level = *value;
    return {};
  };
  const auto api = [&](const toml::node& node, const std::string& key) -> Refusal {
    const auto value = node.value_exact<std::string>();
    auto endpoint = parse_endpoint(value.value_or(""));
    if (!endpoint) return refuse(file, node, key, "must be \"HOST:PORT\", the port from 0 to 65535");
    config.api = *endpoint;
    return {};
  };
  const auto retention = [&](const toml::node& node, const std::string& key) {
    return read_positive(file, node, key, 3600, [&](std::int64_t v) {
      config.stopped_task_retention = std::chrono::seconds(v);
    });
  };
  const auto healthy_after = [&](const toml::node& node, const std::string& key) {
    return read_positive(file, node, key, 0, [&](std::int64_t v) {
      config.service_healthy_after = std::chrono::seconds(v);
    });
  };
  const auto early_exits = [&](const toml::node& node, const std::string& key) -> Refusal {
    const auto value = node.value_exact<bool>();
    if (!value) return refuse(file, node, key, "must be true or false");
    config.early_exits_fail_deployments = *value;
    return {};
  };
  const auto dirs = [&](const toml::node& node, const std::string& key) -> Refusal {
    const toml::array* list = node.as_array();
    if (!list) return refuse(file, node, key, "must be a list of directories");
    for (const auto& item : *list) {
      const auto value = item.value_exact<std::string>();
      if (!value) return refuse(file, item, key, "must be a list of strings");
      config.plugin_dirs.emplace_back(*value);
    }
    return {};
  };
  const auto plugins = [&](const toml::node& node, const std::string& key) -> Refusal {
    const toml::table* names = node.as_table();
    if (!names) return refuse(file, node, key, "must be a table of tables");
    for (const auto& [name, child] : *names) {
      const std::string path = "plugins." + std::string(name.str());
      if (auto refusal = read_plugin(file, child, path, config.plugins[std::string(name.str())])) {
        return refusal;
      }
    }
    return {};
  };
  auto refusal =
      section.text("data_dir", data_dir)
          .on("region", name_like(config.region))
          .on("default_cluster", name_like(config.default_cluster))
          .text("tls_certificate", config.tls_certificate)
          .text("tls_key", config.tls_key)
          .on("log_level", log_level)
          .on("account", account)
          .on("api", api)
          .on("stopped_task_retention_seconds", retention)
          .on("service_healthy_after_seconds", healthy_after)
          .on("early_exits_fail_deployments", early_exits)
          .on("plugin_dirs", dirs)
          .on("plugins", plugins)
          .on("placement", [&](const toml::node& node, const std::string&) { return read_placement(file, node, config.placement); })
          .on("agent", [&](const toml::node& node,
                           const std::string&) { return read_agent(file, node, config.agent); })
          .on("subnet",
              [&](const toml::node& node, const std::string&) {
                return read_subnets(file, node, config.networks);
              })
          .on("security_group",
              [&](const toml::node& node, const std::string&) {
                return read_groups(file, node, config.networks);
              })
          .on("access_key",
              [&](const toml::node& node, const std::string&) {
                return read_access_keys(file, node, config.access_keys);
              })
          .read();
  if (refusal) return refusal;
  if (!data_dir.empty()) config.data_dir = data_dir;
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    return Error{Errc::Invalid, std::string(file) + ": tls_certificate and tls_key belong together",
                 Subject::None, "tls_key", {}};
  }
  return {};
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  Endpoint endpoint;
  if (colon == std::string_view::npos || colon == 0) {
    return fail(Errc::Invalid, "'" + std::string(text) + "' is not HOST:PORT, the port from 0 to 65535");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc() || end != digits.data() + digits.size() || host.empty()) {
    return fail(Errc::Invalid, "'" + std::string(text) + "' is not HOST:PORT, the port from 0 to 65535");
  }
  endpoint.host = host;
  return endpoint;
}

Result<Config> parse_config(std::string_view text, std::string_view name) {
  Config config;
  try {
    const toml::table table = toml::parse(text, name);
    if (auto refusal = read_top(name, table, config)) return tl::unexpected(*refusal);
  } catch (const toml::parse_error& error) {
    return fail(Errc::Invalid, std::string(name) + ":" +
                                   std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()));
  }
  return config;
}

void complete_networks(Config& config) {
  NetworkSettings& networks = config.networks;
  if (networks.subnets.empty()) {
    AddressRange range = *AddressRange::parse("10.127.0.0/16");
    if (config.data_dir != Config().data_dir) {
      const std::string path =
          std::filesystem::absolute(config.data_dir).lexically_normal().string();
      std::uint32_t mark = 0x811c9dc5u;
      for (const char c : path) mark = (mark ^ static_cast<unsigned char>(c)) * 0x01000193u;
      range.base = 10u << 24 | (128 + mark % 64) << 16 | (mark / 64 % 16) << 12;
      range.prefix = 20;
    }
    networks.subnets.push_back({std::string(kDefaultSubnet), range, {}});
  }
  for (SubnetConfig& subnet : networks.subnets) {
    if (subnet.zone.empty()) subnet.zone = config.region + "a";
  }
  const bool has_default =
      std::any_of(networks.groups.begin(), networks.groups.end(),
                  [](const auto& group) { return group.id() == kDefaultGroup; });
  if (!has_default) networks.groups.push_back(default_group());
}

Result<Config> read_config(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return fail(Errc::NotFound, "cannot read the configuration file " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return parse_config(text.str(), file.string());
}

std::string describe(const Config& config, Secrets secrets) {
  boost::json::object plugins;
  for (const auto& [name, section] : config.plugins) {
    boost::json::array keys;  // the names only: values may be secrets
    for (const auto& [key, value] : section.settings) keys.emplace_back(key);
    plugins[name] = {{"enabled", section.enabled}, {"path", section.path}, {"settings", keys}};
  }
  boost::system::error_code ec;
  boost::json::object agent = boost::json::parse(config.agent.settings_json, ec).as_object();
  agent["fleet"] = config.agent.fleet;
  boost::json::array defaults;
  for (const auto& one : config.placement.default_strategies) {
    defaults.push_back({{"type", one.type}, {"field", one.field}});
  }
  boost::json::object placement{
      {"strategies", boost::json::array(config.placement.strategies.begin(),
                                        config.placement.strategies.end())},
      {"default_strategy", defaults},
      {"expected_tasks", config.placement.expected_tasks.size()},
      {"count_cache_mib", config.placement.count_cache_mib},
      {"score_cache_mib", config.placement.score_cache_mib}};
  boost::json::array subnets;
  for (const SubnetConfig& subnet : config.networks.subnets) {
    subnets.push_back(boost::json::object{
        {"id", subnet.id}, {"cidr", subnet.range.str()}, {"zone", subnet.zone}});
  }
  boost::json::array groups;
  for (const auto& group : config.networks.groups) groups.emplace_back(group.id());
  boost::json::object shown{
      {"data_dir", config.data_dir.string()},
      {"api", config.api.host + ":" + std::to_string(config.api.port)},
      {"region", config.region},
      {"account", config.account},
      {"default_cluster", config.default_cluster},
      {"stopped_task_retention_seconds", config.stopped_task_retention.count()},
      {"service_healthy_after_seconds", config.service_healthy_after.count()},
      {"early_exits_fail_deployments", config.early_exits_fail_deployments},
      {"tls", !config.tls_certificate.empty()},
      {"tls_certificate", config.tls_certificate},
      {"access_keys", config.access_keys.size()},
      {"log_level", config.log_level},
      {"plugins", plugins},
      {"subnets", subnets},
      {"security_groups", groups},
      {"agent", agent},
      {"placement", placement}};
  if (secrets == Secrets::FirstAccessKey && !config.access_keys.empty()) {
    const AccessKey& key = config.access_keys.front();
    shown["access_key"] = {{"id", key.id}, {"secret", key.secret}};
  }
  return boost::json::serialize(shown);
}

}  // namespace berth::daemon
