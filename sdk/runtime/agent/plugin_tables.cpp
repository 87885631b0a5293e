// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/plugin_tables.hpp"

#include <algorithm>
#include <sstream>

namespace berth::runtime {
namespace {

using Problem = std::string;

bool is_plugin_name(const std::string& name) {
  const auto ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(), ok);
}

// A value of a setting as plugins see it: text.
Problem flatten(const toml::node& node, const std::string& key,
                std::map<std::string, std::string>& out) {
  if (const auto* table = node.as_table()) {
    for (const auto& [name, child] : *table) {
      if (auto problem = flatten(child, key + "." + std::string(name.str()), out);
          !problem.empty()) {
        return problem;
      }
    }
    return {};
  }
  if (const auto* list = node.as_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (auto problem = flatten((*list)[i], key + "." + std::to_string(i), out);
          !problem.empty()) {
        return problem;
      }
    }
    return {};
  }
  if (const auto text = node.value_exact<std::string>()) {
    out[key] = *text;
  } else if (const auto flag = node.value_exact<bool>()) {
    out[key] = *flag ? "true" : "false";
  } else if (const auto number = node.value_exact<std::int64_t>()) {
    out[key] = std::to_string(*number);
  } else if (const auto real = node.value_exact<double>()) {
    std::ostringstream text_of;
    text_of << *real;
    out[key] = text_of.str();
  } else {
    return "has " + key + ", which must be a text, a number, true or false";
  }
  return {};
}

Problem read_one(const toml::table& table, HostPluginSettings& out) {
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    if (key == "path") {
      const auto path = node.value_exact<std::string>();
      if (!path || !path->starts_with('/')) return "has path, which must be an absolute path";
      out.path = *path;
    } else if (key == "enabled") {
      const auto flag = node.value_exact<bool>();
      if (!flag) return "has enabled, which must be true or false";
      out.enabled = *flag;
    } else if (auto problem = flatten(node, key, out.settings); !problem.empty()) {
      return problem;
    }
  }
  return {};
}

}  // namespace

std::string read_plugin_tables(const toml::node& node, HostPluginTables& out) {
  const auto* tables = node.as_table();
  if (!tables) return "must be tables: [plugins.NAME]";
  for (const auto& [key, child] : *tables) {
    const std::string name(key.str());
    const auto* table = child.as_table();
    if (!is_plugin_name(name) || !table) {
      return "has '" + name + "', which is not a table by the name of a plugin";
    }
    if (auto problem = read_one(*table, out[name]); !problem.empty()) {
      return "has " + name + ", which " + problem;
    }
  }
  return {};
}

}  // namespace berth::runtime
