// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/links.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

namespace berth::runtime {
namespace {

std::string upper(const std::string& text) {
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 ? static_cast<char>(std::toupper(c)) : '_';
  });
  return out;
}

// {80, "tcp"}, in order: TCP before UDP of one port.
std::set<std::pair<int, std::string>> ports_of(const LinkedContainer& linked) {
  std::set<std::pair<int, std::string>> out;
  for (const auto& mapping : linked.definition.port_mappings()) {
    if (mapping.container_port() > 0) {
      out.emplace(mapping.container_port(), mapping.protocol() == "udp" ? "udp" : "tcp");
    }
  }
  for (const std::string& port : linked.exposed_ports) {
    const int number = std::atoi(port.c_str());
    if (number > 0) out.emplace(number, port.ends_with("/udp") ? "udp" : "tcp");
  }
  return out;
}

}  // namespace

std::pair<std::string, std::string> host_entry(const LinkedContainer& linked) {
  std::string names = linked.alias;
  for (const std::string& name : {linked.hostname, linked.definition.name()}) {
    if (!name.empty() && (" " + names + " ").find(" " + name + " ") == std::string::npos)
      names += " " + name;
  }
  return {names, linked.address};
}

std::vector<std::pair<std::string, std::string>> link_variables(const std::string& from,
                                                                const LinkedContainer& linked) {
  const std::string prefix = upper(linked.alias);
  std::vector<std::pair<std::string, std::string>> out;
  const auto url = [&linked](const std::pair<int, std::string>& port) {
    return port.second + "://" + linked.address + ":" + std::to_string(port.first);
  };
  const auto ports = ports_of(linked);
  if (!ports.empty()) out.emplace_back(prefix + "_PORT", url(*ports.begin()));
  for (const auto& port : ports) {
    const std::string number = std::to_string(port.first);
    const std::string name = prefix + "_PORT_" + number + "_" + upper(port.second);
    out.emplace_back(name, url(port));
    out.emplace_back(name + "_ADDR", linked.address);
    out.emplace_back(name + "_PORT", number);
    out.emplace_back(name + "_PROTO", port.second);
  }
  out.emplace_back(prefix + "_NAME", "/" + from + "/" + linked.alias);
  for (const auto& pair : linked.environment)
    out.emplace_back(prefix + "_ENV_" + pair.name(), pair.value());
  return out;
}

}  // namespace berth::runtime
