// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/definition.hpp"

namespace berth::api {
namespace {

void fill_ports(ecs::ContainerDefinition& container, const std::string& network_mode) {
  for (auto& port : *container.mutable_port_mappings()) {
    if (!port.has_protocol()) port.set_protocol("tcp");
    if (port.has_host_port() || !port.has_container_port()) continue;
    // Where the container has the host's ports, or an address of its own, the two are one; else 0
    // asks for any free one.
    const bool same = network_mode == "host" || network_mode == "awsvpc";
    port.set_host_port(same ? port.container_port() : 0);
  }
}

}  // namespace

void fill_defaults(Registration& request) {
  if (!request.has_network_mode()) request.set_network_mode("bridge");
  for (auto& volume : *request.mutable_volumes()) {
    const bool of_a_kind =
        volume.has_docker_volume_configuration() || volume.has_efs_volume_configuration() ||
        volume.has_s3files_volume_configuration() ||
        volume.has_fsx_windows_file_server_volume_configuration() || volume.configured_at_launch();
    if (!of_a_kind) volume.mutable_host();
  }
  for (auto& container : *request.mutable_container_definitions()) {
    if (!container.has_cpu()) container.set_cpu(0);
    if (!container.has_essential()) container.set_essential(true);
    fill_ports(container, request.network_mode());
    if (container.has_health_check()) {
      auto& check = *container.mutable_health_check();
      if (!check.has_interval()) check.set_interval(30);
      if (!check.has_timeout()) check.set_timeout(5);
      if (!check.has_retries()) check.set_retries(3);
    }
  }
}

}  // namespace berth::api
