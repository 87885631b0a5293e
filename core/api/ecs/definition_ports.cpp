// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <set>

#include "core/api/ecs/definition_rules.hpp"

namespace berth::api {
namespace {

constexpr int kRangesPerContainer = 100;

struct Place {
  const std::string& container;
  std::string path;

  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& text) const {
    return refuse_definition("Invalid setting for container '" + container + "'. " + text, path);
  }
};

bool is_range(const std::string& text) {
  int first = 0;
  int last = 0;
  const char* end = text.data() + text.size();
  const auto left = std::from_chars(text.data(), end, first);
  if (left.ec != std::errc() || left.ptr == end || *left.ptr != '-') return false;
  const auto right = std::from_chars(left.ptr + 1, end, last);
  return right.ec == std::errc() && right.ptr == end && first >= 1 && first <= last &&
         last <= 65'535;
}

bool is_port_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
}

Result<void> check_mapping(const ecs::PortMapping& port, const std::string& mode,
                           const Place& place) {
  if (port.has_container_port_range()) {
    if (port.has_container_port() || port.has_host_port()) {
      return place.refuse("containerPortRange excludes containerPort and hostPort.");
    }
    if (mode == "host") {
      return place.refuse("containerPortRange is for network modes 'bridge' and 'awsvpc' only.");
    }
    if (!is_range(port.container_port_range())) {
      return place.refuse("'" + port.container_port_range() + "' is no range of ports.");
    }
  } else if (!port.has_container_port()) {
    return place.refuse("A port mapping needs a containerPort.");
  }
  const bool one_port = mode == "host" || mode == "awsvpc";
  if (one_port && port.has_host_port() && port.host_port() != port.container_port()) {
    return place.refuse("When networkMode=" + mode +
                        ", the host ports and container ports in port mappings must match.");
  }
  if (port.has_name() && !is_port_name(port.name())) {
    return place.refuse("'" + port.name() + "' is no name for a port mapping.");
  }
  if (port.has_app_protocol() && !port.has_name()) {
    return place.refuse("A port mapping with an appProtocol needs a name.");
  }
  return {};
}

// The ports that only one container of a task can have: those of the host, or of the shared network
// namespace.
int exclusive_port(const ecs::PortMapping& port, const std::string& mode) {
  return mode == "host" || mode == "awsvpc" ? port.container_port() : port.host_port();
}

}  // namespace

Result<void> check_ports(const Registration& request) {
  const std::string mode = request.has_network_mode() ? request.network_mode() : "bridge";
  std::set<std::pair<int, std::string>> taken;
  std::set<std::string> names;
  int index = 0;
  for (const auto& container : request.container_definitions()) {
    const Place place{container.name(),
                      "containerDefinitions[" + std::to_string(index++) + "].portMappings"};
    if (mode == "none" && !container.port_mappings().empty()) {
      return place.refuse("Port mappings are not supported when networkMode=none.");
    }
    int ranges = 0;
    for (const auto& port : container.port_mappings()) {
      if (auto done = check_mapping(port, mode, place); !done) return done;
      if (port.has_container_port_range() && ++ranges > kRangesPerContainer) {
        return place.refuse("At most 100 port ranges are allowed.");
      }
      if (port.has_name() && !names.insert(port.name()).second) {
        return place.refuse("The port mapping's name '" + port.name() + "' stands there twice.");
      }
      const int number = exclusive_port(port, mode);
      const std::string protocol = port.has_protocol() ? port.protocol() : "tcp";
      if (number != 0 && !taken.insert({number, protocol}).second) {
        return place.refuse("Port " + std::to_string(number) + "/" + protocol +
                            " is taken by another port mapping of the task.");
      }
    }
  }
  return {};
}

}  // namespace berth::api
