// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/agent_plan.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "sdk/hosts/agent_devices.hpp"
#include "sdk/hosts/agent_refusals.hpp"
#include "sdk/runtime/options/quantity.hpp"

namespace berth::hosts {
namespace {

using v1::ecs::ContainerDefinition;
using v1::ecs::ContainerOverride;

constexpr std::int64_t kLeastMemoryMiB = 6;  // as the agent's: a container does not begin with less

class Planner {
 public:
  Planner(const v1::PlanRequest& request, const std::string& launch_type)
      : request_(request), definition_(request.definition()), launch_type_(launch_type) {}

  v1::PlanResponse plan() {
    for (auto& refusal : find_refusals(request_, launch_type_))
      *response_.add_refusals() = std::move(refusal);
    check_call();
    add_amounts();
    add_ports();
    if (auto added =
            add_devices(definition_, request_.overrides(), *response_.mutable_requirement());
        !added) {
      refuse(added.error().field, added.error().message);
    }
    add_attributes();
    if (response_.refusals_size() > 0) response_.clear_requirement();
    return std::move(response_);
  }

 private:
  void refuse(v1::Refusal::Error error, const std::string& member, const std::string& message) {
    hosts::refuse(response_, error, member, message);
  }
  void refuse(const std::string& member, const std::string& message) {
    refuse(v1::Refusal::ERROR_CLIENT, member, message);
  }
  static std::string path(int container, const std::string& member) {
    return "containerDefinitions[" + std::to_string(container) + "]." + member;
  }

  // What belongs to the call, not to the definition.
  void check_call() {
    if (request_.has_network_configuration() && definition_.network_mode() != "awsvpc") {
      refuse(
          v1::Refusal::ERROR_INVALID_PARAMETER, "networkConfiguration",
          "Network Configuration is not valid for the given networkMode of this task definition.");
    }
    if (!request_.has_network_configuration() && definition_.network_mode() == "awsvpc") {
      refuse(v1::Refusal::ERROR_INVALID_PARAMETER, "networkConfiguration",
             "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
    }
    std::set<std::string> names;
    for (const auto& container : definition_.container_definitions())
      names.insert(container.name());
    for (const auto& changes : request_.overrides().container_overrides()) {
      if (!names.insert(changes.name()).second) {
        overrides_[changes.name()] = &changes;
        continue;
      }
      refuse(v1::Refusal::ERROR_INVALID_PARAMETER, "overrides.containerOverrides",
             "Override for container named " + changes.name() +
                 " is not a container in the TaskDefinition.");
    }
  }

  const ContainerOverride& override_of(const ContainerDefinition& container) const {
    const auto at = overrides_.find(container.name());
    return at == overrides_.end() ? ContainerOverride::default_instance() : *at->second;
  }

  // The task's own amounts where it has them, else the sums of its containers' (reservations before
  // limits).
  void add_amounts() {
    const auto& changes = request_.overrides();
    const std::string& cpu = changes.has_cpu() ? changes.cpu() : definition_.cpu();
    const std::string& memory = changes.has_memory() ? changes.memory() : definition_.memory();
    std::int64_t cpu_sum = 0;
    std::int64_t memory_sum = 0;
    for (int i = 0; i < definition_.container_definitions_size(); ++i) {
      const auto& container = definition_.container_definitions(i);
      const auto& own = override_of(container);
      const std::int64_t units = own.has_cpu() ? own.cpu() : container.cpu();
      const std::int64_t limit = own.has_memory() ? own.memory() : container.memory();
      const std::int64_t reserved =
          own.has_memory_reservation() ? own.memory_reservation() : container.memory_reservation();
      if (units < 0) refuse(path(i, "cpu"), "The CPU of a container is not negative.");
      if (limit < 0 || reserved < 0)
        refuse(path(i, "memory"), "The memory of a container is not negative.");
      if (limit > 0 && limit < kLeastMemoryMiB)
        refuse(path(i, "memory"), "A container needs at least 6 MiB of memory.");
      if (limit > 0 && reserved > limit) {
        refuse(path(i, "memoryReservation"),
               "The memoryReservation of a container is at most its memory.");
      }
      if (limit == 0 && reserved == 0 && memory.empty()) {
        refuse(path(i, "memory"),
               "Invalid setting for container '" + container.name() +
                   "'. At least one of 'memory' or 'memoryReservation' must be specified.");
      }
      cpu_sum += units;
      memory_sum += reserved > 0 ? reserved : limit;
    }
    const auto units = cpu.empty() ? cpu_sum : runtime::options::read_cpu(cpu).value_or(-1);
    const auto mib =
        memory.empty() ? memory_sum : runtime::options::read_memory_mib(memory).value_or(-1);
    if (units < 0 && !cpu.empty()) refuse("cpu", "'" + cpu + "' is not an amount of CPU.");
    if (mib < 0 && !memory.empty())
      refuse("memory", "'" + memory + "' is not an amount of memory.");
    if (!memory.empty() && mib >= 0) check_memory_of_task(mib);
    response_.mutable_requirement()->set_cpu(units);
    response_.mutable_requirement()->set_memory_mib(mib);
  }

  // A limit of the task is one of all its containers.
  void check_memory_of_task(std::int64_t mib) {
    if (mib < kLeastMemoryMiB) refuse("memory", "A task needs at least 6 MiB of memory.");
    for (int i = 0; i < definition_.container_definitions_size(); ++i) {
      const auto& container = definition_.container_definitions(i);
      const auto& own = override_of(container);
      if ((own.has_memory() ? own.memory() : container.memory()) <= mib) continue;
      refuse(path(i, "memory"), "The container's memory is more than the task's.");
    }
  }

  // Fixed host ports; dynamic ones are not placement's to reserve.
  void add_ports() {
    std::set<std::pair<bool, std::uint32_t>> taken;
    const bool host = definition_.network_mode() == "host";
    const bool own_interface = definition_.network_mode() == "awsvpc";
    if (own_interface) response_.mutable_requirement()->set_eni_slots(1);
    for (int i = 0; i < definition_.container_definitions_size(); ++i) {
      const auto& container = definition_.container_definitions(i);
      for (int p = 0; p < container.port_mappings_size(); ++p) {
        const auto& mapping = container.port_mappings(p);
        const std::string member = path(i, "portMappings[" + std::to_string(p) + "]");
        if (mapping.has_container_port_range()) continue;  // on dynamic host ports
        if (mapping.container_port() < 1 || mapping.container_port() > 65535) {
          refuse(member, "A port is a number from 1 to 65535.");
          continue;
        }
        if (definition_.network_mode() == "none") {
          refuse(member, "A task without a network has no portMappings.");
          continue;
        }
        if ((host || own_interface) && mapping.host_port() != 0 &&
            mapping.host_port() != mapping.container_port()) {
          refuse(member + ".hostPort", "With the network mode " + definition_.network_mode() +
                                           ", hostPort is containerPort or absent.");
          continue;
        }
        const int number = host || own_interface ? mapping.container_port() : mapping.host_port();
        if (number == 0) continue;
        if (number < 0 || number > 65535) {
          refuse(member, "A port is a number from 1 to 65535.");
          continue;
        }
        const bool udp = mapping.protocol() == "udp";
        if (!taken.emplace(udp, number).second) {
          refuse(member + ".hostPort",
                 "The host port " + std::to_string(number) + " is mapped twice in this task.");
          continue;
        }
        if (own_interface) continue;  // its ports are its own
        auto& port = *response_.mutable_requirement()->add_ports();
        port.set_protocol(udp ? v1::Port::PROTOCOL_UDP : v1::Port::PROTOCOL_TCP);
        port.set_number(static_cast<std::uint32_t>(number));
      }
    }
  }

  void require(const std::string& name, const std::string& value = {}) {
    if (!required_.insert(name).second) return;
    auto& attribute = *response_.mutable_requirement()->add_attributes();
    attribute.set_name(name);
    if (!value.empty()) attribute.set_value(value);
  }

  void add_attributes_of_options(const ContainerDefinition& container) {
    if (container.privileged()) require("com.amazonaws.ecs.capability.privileged-container");
    for (const auto& mapping : container.port_mappings()) {
      if (mapping.has_container_port_range())
        require("ecs.capability.network.container-port-range");
    }
    for (const std::string& option : container.docker_security_options()) {
      const bool profile = option.starts_with("apparmor") && !option.ends_with("unconfined");
      if (profile) require("com.amazonaws.ecs.capability.apparmor");
    }
  }

  // The capabilities that agents of Berth register, where the task uses them.
  void add_attributes() {
    require("ecs.os-type", "linux");
    if (definition_.network_mode() == "awsvpc") require("ecs.capability.task-eni");
    const auto& architecture = definition_.runtime_platform().cpu_architecture();
    if (architecture == "X86_64") require("ecs.cpu-architecture", "x86_64");
    if (architecture == "ARM64") require("ecs.cpu-architecture", "arm64");
    const auto& changes = request_.overrides();
    if (!definition_.cpu().empty() || !definition_.memory().empty() || changes.has_cpu() ||
        changes.has_memory()) {
      require("ecs.capability.task-cpu-mem-limit");
    }
    if (definition_.has_pid_mode() || definition_.has_ipc_mode())
      require("ecs.capability.pid-ipc-namespace-sharing");
    for (const auto& volume : definition_.volumes()) {
      if (volume.has_docker_volume_configuration()) require("ecs.capability.docker-plugin.local");
    }
    if (!definition_.task_role_arn().empty() || !changes.task_role_arn().empty()) {
      const bool host = definition_.network_mode() == "host";
      require(std::string("com.amazonaws.ecs.capability.task-iam-role") +
              (host ? "-network-host" : ""));
    }
    for (const auto& container : definition_.container_definitions()) {
      add_attributes_of_options(container);
      for (const auto& secret : container.secrets()) {
        const bool asm_secret = secret.value_from().find(":secretsmanager:") != std::string::npos;
        require(std::string("ecs.capability.secrets.") + (asm_secret ? "asm" : "ssm") +
                ".environment-variables");
      }
      if (container.environment_files_size() > 0 ||
          override_of(container).environment_files_size() > 0) {
        require("ecs.capability.env-files.s3");
      }
      if (container.has_log_configuration()) {
        // FireLens is the agent's own doing, the others are the runtime's, in ECS's names.
        const std::string& driver = container.log_configuration().log_driver();
        require((driver == "awsfirelens" ? "ecs.capability.logging-driver."
                                         : "com.amazonaws.ecs.capability.logging-driver.") +
                driver);
      }
      if (container.depends_on_size() > 0) require("ecs.capability.container-ordering");
      if (container.has_health_check()) require("ecs.capability.container-health-check");
      if (container.restart_policy().enabled()) require("ecs.capability.container-restart-policy");
      const std::string host = container.image().substr(0, container.image().find('/'));
      if (host.find(".dkr.ecr") != std::string::npos &&
          host.find(".amazonaws.com") != std::string::npos) {
        require("com.amazonaws.ecs.capability.ecr-auth");
      }
    }
  }

  const v1::PlanRequest& request_;
  const v1::ecs::TaskDefinition& definition_;
  const std::string& launch_type_;
  std::map<std::string, const ContainerOverride*> overrides_;
  std::set<std::string> required_;
  v1::PlanResponse response_;
};

}  // namespace

void refuse(v1::PlanResponse& plan, v1::Refusal::Error error, const std::string& member,
            const std::string& message) {
  auto& refusal = *plan.add_refusals();
  refusal.set_error(error);
  refusal.set_member(member);
  refusal.set_message(message);
  plan.clear_requirement();
}

v1::PlanResponse plan_for_agents(const v1::PlanRequest& request, const std::string& launch_type) {
  return Planner(request, launch_type).plan();
}

v1::PlanResponse plan_for_instances(const v1::PlanRequest& request,
                                    const std::string& launch_type) {
  v1::PlanResponse plan = plan_for_agents(request, launch_type);
  // There is no way from outside to a task's own interface on hosts of one's own.
  if (request.network_configuration().awsvpc_configuration().assign_public_ip() == "ENABLED") {
    refuse(plan, v1::Refusal::ERROR_INVALID_PARAMETER,
           "networkConfiguration.awsvpcConfiguration.assignPublicIp",
           "Assign public IP is not supported for this launch type.");
  }
  if (!request.platform_version().empty()) {
    refuse(plan, v1::Refusal::ERROR_INVALID_PARAMETER, "platformVersion",
           "The platform version must be null when specifying an " + launch_type + " launch type.");
  }
  return plan;
}

}  // namespace berth::hosts
