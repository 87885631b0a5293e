// SPDX-License-Identifier: Apache-2.0
// What a container knows of those it links to, as Docker tells it: names in /etc/hosts, and
// variables.
//
// Threads: any; pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "berth/v1/launch.pb.h"

namespace berth::runtime {

// One that is linked to, and runs.
struct LinkedContainer {
  const v1::ecs::ContainerDefinition& definition;
  std::vector<v1::ecs::KeyValuePair> environment;  // definition and override
  std::string alias;
  std::string address;
  std::string hostname;
  std::vector<std::string> exposed_ports;  // of its image: "80/tcp"
};

// Names and address, a line of /etc/hosts.
[[nodiscard]] std::pair<std::string, std::string> host_entry(const LinkedContainer& linked);
// "DB_PORT_5432_TCP_ADDR=...", for the container `from`.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> link_variables(
    const std::string& from, const LinkedContainer& linked);

}  // namespace berth::runtime
