// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/definition.hpp"

namespace berth::api {
namespace {

std::optional<std::string> size_refusal(const Registration& request) {
  for (const auto& [text, name] :
       {std::pair(&request.cpu(), "cpu"), std::pair(&request.memory(), "memory")}) {
    if (text->empty()) {
      return "Fargate requires that '" + std::string(name) + "' be defined at the task level.";
    }
  }
  const auto cpu = parse_cpu(request.cpu());
  const auto memory = parse_memory(request.memory());
  if (!cpu || !memory || !is_fargate_size(*cpu, *memory)) {
    return "No Fargate configuration exists for given values: " + request.cpu() + " CPU, " +
           request.memory() + " memory. See the Amazon ECS documentation for the valid values.";
  }
  return std::nullopt;
}

std::optional<std::string> name_of_forbidden(const ecs::ContainerDefinition& container) {
  const auto& linux_parameters = container.linux_parameters();
  if (container.privileged()) return "privileged";
  if (!container.links().empty()) return "links";
  if (container.disable_networking()) return "disableNetworking";
  if (!container.dns_servers().empty()) return "dnsServers";
  if (!container.dns_search_domains().empty()) return "dnsSearchDomains";
  if (!container.extra_hosts().empty()) return "extraHosts";
  if (!container.docker_security_options().empty()) return "dockerSecurityOptions";
  if (!linux_parameters.devices().empty()) return "linuxParameters.devices";
  if (linux_parameters.has_shared_memory_size()) return "linuxParameters.sharedMemorySize";
  if (linux_parameters.has_max_swap()) return "linuxParameters.maxSwap";
  if (linux_parameters.has_swappiness()) return "linuxParameters.swappiness";
  for (const std::string& capability : linux_parameters.capabilities().add()) {
    if (capability != "SYS_PTRACE") return "linuxParameters.capabilities.add '" + capability + "'";
  }
  const std::string& driver = container.log_configuration().log_driver();
  if (!driver.empty() && driver != "awslogs" && driver != "splunk" && driver != "awsfirelens") {
    return "the log driver '" + driver + "'";
  }
  return std::nullopt;
}

// What the host does for the container with the execution role.
std::optional<std::string> name_of_what_needs_a_role(const ecs::ContainerDefinition& container) {
  const std::string host = container.image().substr(0, container.image().find('/'));
  if (host.find(".dkr.ecr.") != std::string::npos) return "ECR images";
  if (container.log_configuration().log_driver() == "awslogs") return "log driver awslogs";
  if (!container.secrets().empty()) return "secrets";
  return std::nullopt;
}

std::optional<std::string> container_refusal(const ecs::ContainerDefinition& container) {
  const auto is_gpu = [](const auto& requirement) { return requirement.type() == "GPU"; };
  if (std::ranges::any_of(container.resource_requirements(), is_gpu)) {
    return "Tasks using the Fargate launch type do not support GPU resource requirements.";
  }
  if (const auto name = name_of_forbidden(container)) {
    return "Fargate compatible task definitions do not support " + *name + ".";
  }
  const auto& log = container.log_configuration();
  if (log.log_driver() == "awslogs" && !log.options().contains("awslogs-stream-prefix")) {
    return "Log driver awslogs requires options: awslogs-stream-prefix";
  }
  for (const auto& [set, value, name] :
       {std::tuple(container.has_start_timeout(), container.start_timeout(), "startTimeout"),
        std::tuple(container.has_stop_timeout(), container.stop_timeout(), "stopTimeout")}) {
    if (set && (value < 2 || value > 120)) {
      return "Invalid setting for container '" + container.name() + "'. '" + name +
             "' must be between 2 and 120 seconds for Fargate compatible task definitions.";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> fargate_refusal(const Registration& request) {
  if (request.network_mode() != "awsvpc") return "Fargate only supports network mode ‘awsvpc’.";
  if (auto refusal = size_refusal(request)) return refusal;
  if (request.has_ipc_mode()) {
    return "Tasks using the Fargate launch type do not support ipcMode.";
  }
  if (request.pid_mode() == "host") {
    return "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value "
           "for pidMode is 'task'.";
  }
  if (!request.placement_constraints().empty()) {
    return "Fargate compatible task definitions do not support placementConstraints.";
  }
  if (!request.inference_accelerators().empty()) {
    return "Fargate compatible task definitions do not support inferenceAccelerators.";
  }
  for (const auto& volume : request.volumes()) {
    if (volume.has_docker_volume_configuration()) {
      return "Fargate compatible task definitions do not support dockerVolumeConfiguration.";
    }
    if (!volume.host().source_path().empty()) {
      return "Fargate compatible task definitions do not support host.sourcePath.";
    }
  }
  for (const auto& container : request.container_definitions()) {
    if (auto refusal = container_refusal(container)) return refusal;
    if (!request.execution_role_arn().empty()) continue;
    if (const auto name = name_of_what_needs_a_role(container)) {
      return "Fargate requires task definition to have execution role ARN to support " + *name +
             ".";
    }
  }
  return std::nullopt;
}

}  // namespace berth::api
