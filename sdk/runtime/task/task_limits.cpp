// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_limits.hpp"

#include <algorithm>
#include <set>

#include "sdk/runtime/options/check.hpp"
#include "sdk/runtime/options/port_ranges.hpp"
#include "sdk/runtime/options/quantity.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/interface_of.hpp"

namespace berth::runtime {
namespace {

using sdk::Result;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kLeastMemoryMiB = 6;  // the kernel needs as much for a container to begin

std::string member(std::size_t container, const std::string& name) {
  return "containerDefinitions[" + std::to_string(container) + "]." + name;
}

sdk::Error wrong(const std::string& field, const std::string& message) {
  return sdk::fail(BERTH_INVALID, message, field);
}

Result<std::uint64_t> read_cpu(const std::string& text) {
  if (const auto units = options::read_cpu(text)) return static_cast<std::uint64_t>(*units);
  return wrong("cpu", "'" + text + "' is not an amount of CPU; write \"1024\" or \"1 vCPU\".");
}

Result<std::uint64_t> read_memory_mib(const std::string& text) {
  if (const auto mib = options::read_memory_mib(text)) return static_cast<std::uint64_t>(*mib);
  return wrong("memory", "'" + text + "' is not an amount of memory; write \"512\" or \"1 GB\".");
}

struct Unsupported {
  const char* member;
  bool present;
};

Result<void> refuse_any(const std::vector<Unsupported>& list, const std::string& prefix) {
  for (const auto& [name, present] : list) {
    if (!present) continue;
    return sdk::fail(BERTH_UNIMPLEMENTED, std::string("This agent does not act on ") + name + " yet.",
                     prefix + name);
  }
  return {};
}

#if defined(__aarch64__)
constexpr const char* kOwnArchitecture = "ARM64";
#else
constexpr const char* kOwnArchitecture = "X86_64";
#endif

// Placement chose the host by it; a task that came here all the same would only fail to run.
Result<void> check_architecture(const v1::ecs::TaskDefinition& definition) {
  const std::string& wanted = definition.runtime_platform().cpu_architecture();
  if (wanted.empty() || wanted == kOwnArchitecture) return {};
  const bool known = wanted == "X86_64" || wanted == "ARM64";
  return sdk::fail(known ? BERTH_INVALID : BERTH_UNIMPLEMENTED,
                   "This host's architecture is " + std::string(kOwnArchitecture) + ", not " + wanted + ".",
                   "runtimePlatform.cpuArchitecture");
}

Result<void> check_task_members(const v1::StartTaskRequest& task, TaskDisk disk) {
  const bool on_host = disk == TaskDisk::Host;
  const auto& definition = task.definition();
  const auto& platform = definition.runtime_platform();
  const bool other_os =
      !platform.operating_system_family().empty() && platform.operating_system_family() != "LINUX";
  return refuse_any({{"proxyConfiguration", definition.has_proxy_configuration()},
                     {"inferenceAccelerators", definition.inference_accelerators_size() > 0},
                     {"ephemeralStorage", on_host && definition.has_ephemeral_storage()},
                     {"enableFaultInjection", definition.enable_fault_injection()},
                     {"runtimePlatform.operatingSystemFamily", other_os},
                     {"overrides.ephemeralStorage", on_host && task.overrides().has_ephemeral_storage()},
                     {"overrides.inferenceAcceleratorOverrides",
                      task.overrides().inference_accelerator_overrides_size() > 0}},
                    "");
}

// Of resourceRequirements those for devices are acted on: which devices they came to is in the allocation.
bool asks_for_other_things(const auto& requirements) {
  return std::any_of(requirements.begin(), requirements.end(), [](const auto& one) { return one.type() != "GPU"; });
}

Result<void> check_container_members(const v1::ecs::ContainerDefinition& container, std::size_t index) {
  return refuse_any(
      {{"resourceRequirements", asks_for_other_things(container.resource_requirements())},
       {"credentialSpecs", container.credential_specs_size() > 0}},
      member(index, ""));
}

Result<void> check_environment(const google::protobuf::RepeatedPtrField<v1::ecs::KeyValuePair>& environment,
                               const std::string& field) {
  for (const auto& pair : environment) {
    const bool bad = pair.name().empty() || pair.name().find('=') != std::string::npos ||
                     pair.name().find('\0') != std::string::npos || pair.value().find('\0') != std::string::npos;
    if (bad) return wrong(field, "'" + pair.name() + "' cannot be the name of an environment variable.");
  }
  return {};
}

Result<void> check_overrides(const v1::StartTaskRequest& task) {
  std::set<std::string> names;
  for (const auto& container : task.definition().container_definitions()) names.insert(container.name());
  for (int i = 0; i < task.overrides().container_overrides_size(); ++i) {
    const auto& changes = task.overrides().container_overrides(i);
    const std::string field = "overrides.containerOverrides[" + std::to_string(i) + "].";
    if (!names.contains(changes.name())) {
      return wrong(field + "name", "There is no container '" + changes.name() + "'.");
    }
    if (auto fine = refuse_any({{"resourceRequirements", asks_for_other_things(changes.resource_requirements())}}, field);
        !fine) {
      return fine;
    }
    if (auto fine = check_environment(changes.environment(), field + "environment"); !fine) {
      return fine;
    }
  }
  return {};
}

}  // namespace

Result<NetworkMode> read_network_mode(const v1::StartTaskRequest& task) {
  const std::string& mode = task.definition().network_mode();
  if (mode.empty() || mode == "bridge") return NetworkMode::Bridge;
  if (mode == "host") return NetworkMode::Host;
  if (mode == "none") return NetworkMode::None;
  if (mode == "awsvpc") return NetworkMode::Awsvpc;
  return sdk::fail(BERTH_UNIMPLEMENTED, "This agent does not make the network mode " + mode + " yet.",
                   "networkMode");
}

Result<TaskLimits> read_task_limits(const v1::StartTaskRequest& task, std::chrono::milliseconds cpu_period) {
  const auto& changes = task.overrides();
  const std::string& cpu = changes.has_cpu() ? changes.cpu() : task.definition().cpu();
  const std::string& memory = changes.has_memory() ? changes.memory() : task.definition().memory();
  TaskLimits limits;
  limits.cpu_period = cpu_period;
  if (!cpu.empty()) {
    const auto units = read_cpu(cpu);
    if (!units) return units.error();
    if (*units > 0) limits.cpu_units = *units;
  }
  if (!memory.empty()) {
    const auto mib = read_memory_mib(memory);
    if (!mib) return mib.error();
    if (*mib < kLeastMemoryMiB) return wrong("memory", "A task needs at least 6 MiB of memory.");
    limits.memory_bytes = *mib * kMiB;
  }
  limits.container_shares = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(task.definition().container_definitions_size()); ++i) {
    const auto container = read_container_limits(task, i);
    if (!container) return container.error();
    limits.container_shares += container->cpu_shares;
    if (limits.memory_bytes && container->memory_bytes > *limits.memory_bytes) {
      return wrong(member(i, "memory"), "The container's memory is more than the task's.");
    }
  }
  return limits;
}

Result<ContainerLimits> read_container_limits(const v1::StartTaskRequest& task, std::size_t container) {
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  const auto& changes = override_of(task, definition.name());
  const std::int64_t cpu = changes.has_cpu() ? changes.cpu() : definition.cpu();
  const std::int64_t memory = changes.has_memory() ? changes.memory() : definition.memory();
  const std::int64_t reservation =
      changes.has_memory_reservation() ? changes.memory_reservation() : definition.memory_reservation();
  if (cpu < 0) return wrong(member(container, "cpu"), "cpu is negative.");
  if (memory < 0 || (memory > 0 && memory < static_cast<std::int64_t>(kLeastMemoryMiB))) {
    return wrong(member(container, "memory"), "A container needs at least 6 MiB of memory.");
  }
  if (reservation < 0 || (memory > 0 && reservation > memory)) {
    return wrong(member(container, "memoryReservation"), "memoryReservation is more than memory.");
  }
  return ContainerLimits{.cpu_shares = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(cpu), 2, 262'144),
                         .memory_bytes = static_cast<std::uint64_t>(memory) * kMiB,
                         .reservation_bytes = static_cast<std::uint64_t>(reservation) * kMiB};
}

Result<std::vector<PortRequest>> read_ports(const v1::StartTaskRequest& task, std::size_t container) {
  const auto mode = read_network_mode(task);
  if (!mode) return mode.error();
  std::vector<PortRequest> ports;
  const auto& definition = task.definition().container_definitions(static_cast<int>(container));
  for (int i = 0; i < definition.port_mappings_size(); ++i) {
    const auto& mapping = definition.port_mappings(i);
    const std::string field = member(container, "portMappings[" + std::to_string(i) + "]");
    if (mapping.has_container_port_range()) {
      if (auto checked = options::check_port_ranges(task.definition(), static_cast<int>(container)); !checked) {
        return checked.error();
      }
      const auto range = options::read_port_range(mapping.container_port_range());
      ports.push_back({.container_port = range->first,
                       .host_port = 0,
                       .protocol = mapping.protocol() == "udp" ? Protocol::Udp : Protocol::Tcp,
                       .count = range->count,
                       .is_range = true});
      continue;
    }
    if (*mode == NetworkMode::None) return wrong(field, "A task without network has no portMappings.");
    const bool fits = mapping.container_port() >= 1 && mapping.container_port() <= 65535 &&
                      mapping.host_port() >= 0 && mapping.host_port() <= 65535;
    if (!fits) return wrong(field, "A port is a number from 1 to 65535.");
    const std::string& protocol = mapping.protocol();
    if (!protocol.empty() && protocol != "tcp" && protocol != "udp") {
      return wrong(field + ".protocol", "The protocol '" + protocol + "' is neither tcp nor udp.");
    }
    PortRequest port{.container_port = static_cast<std::uint16_t>(mapping.container_port()),
                     .host_port = static_cast<std::uint16_t>(mapping.host_port()),
                     .protocol = protocol == "udp" ? Protocol::Udp : Protocol::Tcp};
    if (*mode == NetworkMode::Host || *mode == NetworkMode::Awsvpc) {
      if (port.host_port != 0 && port.host_port != port.container_port) {
        return wrong(field + ".hostPort", "With the network mode " +
                                              task.definition().network_mode() +
                                              ", hostPort is containerPort.");
      }
      port.host_port = port.container_port;
    }
    ports.push_back(port);
  }
  return ports;
}

Result<LogPlan> read_log_options(const v1::StartTaskRequest& task, std::size_t container) {
  const auto& log = task.definition().container_definitions(static_cast<int>(container)).log_configuration();
  const std::string field = member(container, "logConfiguration.");
  auto plan = read_log_plan(log.log_driver(), LogOptions(log.options().begin(), log.options().end()));
  if (!plan) return sdk::fail(plan.error().status, plan.error().message, field + plan.error().field);
  return plan;
}

Result<void> check_supported(const v1::StartTaskRequest& task, TaskDisk disk) {
  if (auto fine = check_task_members(task, disk); !fine) return fine;
  if (auto fine = check_architecture(task.definition()); !fine) return fine;
  if (auto fine = check_overrides(task); !fine) return fine;
  if (auto fine = options::check(task.definition(), task.overrides()); !fine) return fine;
  if (auto limits = read_task_limits(task, std::chrono::milliseconds(100)); !limits) return limits.error();
  const auto mode = read_network_mode(task);
  if (!mode) return mode.error();
  if (*mode == NetworkMode::Awsvpc) {
    if (auto interface = interface_of(task); !interface) return interface.error();
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(task.definition().container_definitions_size()); ++i) {
    const auto& container = task.definition().container_definitions(static_cast<int>(i));
    if (container.image().empty()) return wrong(member(i, "image"), "A container needs an image.");
    if (auto fine = check_container_members(container, i); !fine) return fine;
    if (auto fine = check_environment(container.environment(), member(i, "environment")); !fine) return fine;
    if (auto ports = read_ports(task, i); !ports) return ports.error();
    if (auto log = read_log_options(task, i); !log) return log.error();
  }
  return {};
}

}  // namespace berth::runtime
