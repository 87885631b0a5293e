// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/name_files.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {
namespace {

bool is_loopback(std::string_view server) {
  return server.starts_with("127.") || server == "::1";
}

std::string server_of(const std::string& line) {
  std::istringstream words(line);
  std::string key;
  std::string value;
  words >> key >> value;
  return key == "nameserver" ? value : std::string();
}

bool has_reachable_server(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto server = server_of(line);
    if (!server.empty() && !is_loopback(server)) return true;
  }
  return false;
}

}  // namespace

std::string resolv_conf(const std::string& host_text, const DnsOptions& dns, bool own_namespace) {
  std::string out;
  std::istringstream lines(host_text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#') || line.starts_with(';')) continue;
    const auto server = server_of(line);
    if (!server.empty() && (!dns.servers.empty() || (own_namespace && is_loopback(server))))
      continue;
    const bool search = line.starts_with("search ") || line.starts_with("domain ");
    if (search && !dns.search.empty()) continue;
    if (!line.empty()) out += line + "\n";
  }
  for (const auto& server : dns.servers) out += "nameserver " + server + "\n";
  if (!dns.search.empty()) {
    out += "search";
    for (const auto& domain : dns.search) out += " " + domain;
    out += "\n";
  }
  return out;
}

std::string read_host_resolv_conf() {
  auto text = state::read_file("/etc/resolv.conf").value_or("");
  if (has_reachable_server(text)) return text;
  return state::read_file("/run/systemd/resolve/resolv.conf").value_or(text);
}

std::string hosts_file(const HostsOptions& options) {
  std::string out =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "ff00::0\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  for (const auto& [name, address] : options.extra) out += address + "\t" + name + "\n";
  if (!options.hostname.empty()) {
    out +=
        (options.address.empty() ? "127.0.1.1" : options.address) + "\t" + options.hostname + "\n";
  }
  return out;
}

}  // namespace berth::runtime
