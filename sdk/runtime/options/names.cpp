// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/names.hpp"

#include <arpa/inet.h>

#include <string_view>

#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

// A word of /etc/hosts and resolv.conf.
bool is_name(std::string_view name, std::size_t most) {
  return !name.empty() && name.size() <= most &&
         name.find_first_not_of(kNameCharacters) == std::string_view::npos;
}

bool is_address(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace

sdk::Result<std::vector<Link>> read_links(const v1::ecs::TaskDefinition& task, int container) {
  std::vector<Link> out;
  const auto& definition = task.container_definitions(container);
  for (int i = 0; i < definition.links_size(); ++i) {
    const std::string field = at(of_container(container, "links"), i);
    const std::string& text = definition.links(i);
    const auto colon = text.find(':');
    const std::string name = text.substr(0, colon);
    Link link{.container = 0, .alias = colon == std::string::npos ? name : text.substr(colon + 1)};
    const int count = task.container_definitions_size();
    while (link.container < count && task.container_definitions(link.container).name() != name) {
      ++link.container;
    }
    if (link.container == count || link.container == container) {
      return wrong(field, "There is no other container '" + name + "' to link to.");
    }
    if (!is_name(link.alias, 255))
      return wrong(field, "'" + link.alias + "' is no name of a host.");
    if (!task.network_mode().empty() && task.network_mode() != "bridge") {
      return wrong(field, "Links are of network mode bridge.");
    }
    if (definition.disable_networking() ||
        task.container_definitions(link.container).disable_networking()) {
      return wrong(field, "A container without networking has no links.");
    }
    out.push_back(std::move(link));
  }
  return out;
}

sdk::Result<void> check_names(const v1::ecs::TaskDefinition& task, int container) {
  const auto& definition = task.container_definitions(container);
  // 64 is what the kernel takes.
  if (!definition.hostname().empty() && !is_name(definition.hostname(), 64)) {
    return wrong(of_container(container, "hostname"),
                 "'" + definition.hostname() + "' is no name of a host.");
  }
  if (!definition.hostname().empty() && task.network_mode() == "awsvpc") {
    return wrong(of_container(container, "hostname"),
                 "With network mode awsvpc the hostname is the task's.");
  }
  if (definition.extra_hosts_size() > 0 && task.network_mode() == "awsvpc") {
    return wrong(of_container(container, "extraHosts"),
                 "With network mode awsvpc there are no extraHosts.");
  }
  for (int i = 0; i < definition.extra_hosts_size(); ++i) {
    const std::string field = at(of_container(container, "extraHosts"), i);
    const auto& entry = definition.extra_hosts(i);
    if (!is_name(entry.hostname(), 255)) {
      return wrong(field + ".hostname", "'" + entry.hostname() + "' is no name of a host.");
    }
    if (!is_address(entry.ip_address())) {
      return wrong(field + ".ipAddress", "'" + entry.ip_address() + "' is no IP address.");
    }
  }
  for (int i = 0; i < definition.dns_servers_size(); ++i) {
    if (is_address(definition.dns_servers(i))) continue;
    return wrong(at(of_container(container, "dnsServers"), i),
                 "'" + definition.dns_servers(i) + "' is no IP address.");
  }
  for (int i = 0; i < definition.dns_search_domains_size(); ++i) {
    if (is_name(definition.dns_search_domains(i), 253)) continue;
    return wrong(at(of_container(container, "dnsSearchDomains"), i),
                 "'" + definition.dns_search_domains(i) + "' is no domain.");
  }
  if (definition.disable_networking()) {
    const std::string field = of_container(container, "disableNetworking");
    if (task.network_mode() == "host" || task.network_mode() == "awsvpc") {
      return wrong(field, "A container that shares its network cannot be without.");
    }
    if (definition.port_mappings_size() > 0) {
      return wrong(field, "A container without networking has no portMappings.");
    }
  }
  return {};
}

}  // namespace berth::runtime::options
