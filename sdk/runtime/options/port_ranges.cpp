// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/port_ranges.hpp"

#include <charconv>

#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

std::optional<int> read_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port >= 1 && port <= 65'535 ? std::optional(port) : std::nullopt;
}

}  // namespace

std::optional<ContainerPorts> read_port_range(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = read_port(text.substr(0, dash));
  const auto last = read_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return ContainerPorts{.first = static_cast<std::uint16_t>(*first),
                        .count = static_cast<std::uint16_t>(*last - *first + 1)};
}

sdk::Result<void> check_port_ranges(const v1::ecs::TaskDefinition& task, int container) {
  const auto& definition = task.container_definitions(container);
  int total = 0;
  for (int i = 0; i < definition.port_mappings_size(); ++i) {
    const auto& mapping = definition.port_mappings(i);
    if (!mapping.has_container_port_range()) continue;
    const std::string field =
        at(of_container(container, "portMappings"), i) + ".containerPortRange";
    const auto range = read_port_range(mapping.container_port_range());
    if (!range) {
      return wrong(field, "'" + mapping.container_port_range() + "' is no range of ports.");
    }
    if (mapping.has_container_port() || mapping.has_host_port()) {
      return wrong(field, "containerPortRange excludes containerPort and hostPort.");
    }
    if (task.network_mode() == "host" || task.network_mode() == "none") {
      return wrong(field, "containerPortRange is for network modes bridge and awsvpc.");
    }
    total += range->count;
    if (total > kMostRangePorts) {
      return wrong(field, "The port ranges of a container hold at most 1024 ports.");
    }
  }
  return {};
}

}  // namespace berth::runtime::options
