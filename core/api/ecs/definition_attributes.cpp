// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/api/ecs/definition.hpp"

namespace berth::api {
namespace {

const std::string kDocker = "com.amazonaws.ecs.capability.";
const std::string kAgent = "ecs.capability.";

bool is_ecr_image(const std::string& image) {
  const std::string host = image.substr(0, image.find('/'));
  return host.find(".dkr.ecr") != std::string::npos &&
         host.find(".amazonaws.com") != std::string::npos;
}

bool is_ssm(const ecs::Secret& secret) {
  return secret.value_from().find(":secretsmanager:") == std::string::npos;
}

void of_logging(const ecs::ContainerDefinition& container, bool execution_role,
                std::set<std::string>& names) {
  if (!container.has_log_configuration()) return;
  const auto& log = container.log_configuration();
  const std::string& driver = log.log_driver();
  // FireLens is the agent's own doing, the others are the runtime's.
  names.insert((driver == "awsfirelens" ? kAgent : kDocker) + "logging-driver." + driver);
  if (driver == "awslogs" && execution_role) names.insert(kAgent + "execution-role-awslogs");
  for (const auto& secret : log.secret_options()) {
    names.insert(kAgent + (is_ssm(secret) ? "secrets.ssm" : "secrets.asm") +
                 ".bootstrap.log-driver");
  }
}

void of_container(const ecs::ContainerDefinition& container, bool execution_role,
                  std::set<std::string>& names) {
  if (container.privileged()) names.insert(kDocker + "privileged-container");
  if (container.has_health_check()) names.insert(kAgent + "container-health-check");
  if (!container.depends_on().empty()) names.insert(kAgent + "container-ordering");
  if (container.restart_policy().enabled()) names.insert(kAgent + "container-restart-policy");
  if (container.has_repository_credentials()) {
    names.insert(kAgent + "private-registry-authentication.secretsmanager");
  }
  if (container.has_firelens_configuration()) {
    const std::string& type = container.firelens_configuration().type();
    names.insert(kAgent + "firelens." + type);
  }
  if (!container.environment_files().empty()) names.insert(kAgent + "env-files.s3");
  if (is_ecr_image(container.image())) {
    names.insert(kDocker + "ecr-auth");
    if (execution_role) names.insert(kAgent + "execution-role-ecr-pull");
  }
  for (const auto& secret : container.secrets()) {
    names.insert(kAgent + (is_ssm(secret) ? "secrets.ssm" : "secrets.asm") +
                 ".environment-variables");
  }
  for (const auto& port : container.port_mappings()) {
    if (port.has_container_port_range()) names.insert(kAgent + "network.container-port-range");
  }
  of_logging(container, execution_role, names);
}

}  // namespace

std::vector<ecs::Attribute> required_attributes(const Registration& request) {
  std::set<std::string> names;
  const bool execution_role = request.has_execution_role_arn();
  if (request.has_task_role_arn()) {
    names.insert(kDocker + (request.network_mode() == "host" ? "task-iam-role-network-host"
                                                             : "task-iam-role"));
  }
  if (request.network_mode() == "awsvpc") names.insert(kAgent + "task-eni");
  if (request.has_cpu() || request.has_memory()) names.insert(kAgent + "task-cpu-mem-limit");
  if (request.has_pid_mode() || request.has_ipc_mode()) {
    names.insert(kAgent + "pid-ipc-namespace-sharing");
  }
  if (request.has_proxy_configuration()) names.insert(kAgent + "aws-appmesh");
  if (request.enable_fault_injection()) names.insert(kAgent + "fault-injection");
  for (const auto& volume : request.volumes()) {
    if (volume.docker_volume_configuration().has_driver()) {
      names.insert(kAgent + "docker-plugin." + volume.docker_volume_configuration().driver());
    }
    if (volume.has_efs_volume_configuration()) {
      names.insert(kAgent + "efs");
      if (volume.efs_volume_configuration().has_authorization_config()) {
        names.insert(kAgent + "efsAuth");
      }
    }
    if (volume.configured_at_launch()) names.insert(kAgent + "storage.ebs-task-volume-attach");
  }
  for (const auto& container : request.container_definitions()) {
    of_container(container, execution_role, names);
  }
  std::vector<ecs::Attribute> attributes;
  for (const std::string& name : names) attributes.emplace_back().set_name(name);
  return attributes;
}

std::vector<std::string> compatible_launch_types(const Registration& request) {
  std::vector<std::string> types;
  const bool on_premises = request.network_mode() != "awsvpc" &&
                           std::ranges::none_of(request.volumes(), [](const auto& volume) {
                             return volume.has_efs_volume_configuration();
                           });
  if (on_premises) types.emplace_back("EXTERNAL");
  types.emplace_back("EC2");
  if (!fargate_refusal(request)) types.emplace_back("FARGATE");
  const auto& asked = request.requires_compatibilities();
  if (std::ranges::find(asked, "MANAGED_INSTANCES") != asked.end()) {
    types.emplace_back("MANAGED_INSTANCES");
  }
  return types;
}

}  // namespace berth::api
