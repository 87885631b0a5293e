// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/registration.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sdk/runtime/log/log_options.hpp"
#include "sdk/runtime/oci/runtime_program.hpp"

namespace berth::runtime {
namespace {

using berth::v1::Node;

// Ports that ECS's agent holds back on every host: ssh, Docker, its own.
constexpr std::uint16_t kReservedPorts[] = {22, 2375, 2376, 51678, 51679};

constexpr const char* kCapabilities[] = {
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.env-files.s3",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.firelens.fluentbit",
    "ecs.capability.firelens.fluentd",
    "ecs.capability.firelens.options.config.file",
    "ecs.capability.firelens.options.config.s3",
    "ecs.capability.logging-driver.awsfirelens",
    "ecs.capability.network.container-port-range",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.task-eni",
};

// By which the control plane shows people where tasks are.
constexpr const char* kHostName = "berth.hostname";

void add_attribute(Node& node, const std::string& name, const std::string& value = {}) {
  auto& attribute = *node.add_attributes();
  attribute.set_name(name);
  if (!value.empty()) attribute.set_value(value);
}

void add_counter(Node& node, const char* name, std::int64_t total) {
  auto& resource = *node.add_resources();
  resource.set_name(name);
  resource.mutable_counter()->set_total(total);
}

void add_ports(Node& node, const char* name, const std::vector<std::uint16_t>& reserved) {
  auto& resource = *node.add_resources();
  resource.set_name(name);
  auto& set = *resource.mutable_exclusive_set();
  for (const std::uint16_t port : reserved) set.add_reserved(std::to_string(port));
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::int64_t memory_total_mib() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::int64_t kib = 0;
  while (file >> name >> kib) {
    if (name == "MemTotal:") return kib / 1024;
    file.ignore(256, '\n');
  }
  return 0;
}

}  // namespace

const char* agent_version() { return BERTH_VERSION; }

HostFacts HostFacts::detect() {
  HostFacts facts;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) facts.cpus = std::max(1, CPU_COUNT(&set));
  facts.memory_mib = memory_total_mib();
  facts.has_journal = ::access("/run/systemd/journal/socket", F_OK) == 0;
  utsname name{};
  ::uname(&name);
  facts.architecture = name.machine;
  facts.name = std::string(name.nodename).substr(0, 128);
  if (facts.architecture == "aarch64") facts.architecture = "arm64";
  facts.apparmor = first_line("/sys/module/apparmor/parameters/enabled") == "Y";
  if (first_line("/sys/class/dmi/id/sys_vendor") == "Amazon EC2") {
    facts.instance_type = first_line("/sys/class/dmi/id/product_name");
  }
  return facts;
}

fleet::v1::Registration make_registration(const AgentConfig& config, const HostFacts& host,
                                          const std::string& runtime_version) {
  fleet::v1::Registration registration;
  Node& node = *registration.mutable_node();
  node.set_cluster(config.cluster);
  node.set_agent_version(agent_version());
  node.set_runtime_version(runtime_version);
  node.set_ec2_instance_id(config.ec2_instance_id);
  node.set_capacity_provider(config.capacity_provider);
  for (const auto& [key, value] : config.tags) {
    auto& tag = *node.add_tags();
    tag.set_key(key);
    tag.set_value(value);
  }

  add_attribute(node, "ecs.os-type", "linux");
  add_attribute(node, "ecs.os-family", "LINUX");
  add_attribute(node, "ecs.cpu-architecture", host.architecture);
  if (!config.availability_zone.empty()) add_attribute(node, "ecs.availability-zone", config.availability_zone);
  const std::string& type = config.instance_type.empty() ? host.instance_type : config.instance_type;
  if (!type.empty()) add_attribute(node, "ecs.instance-type", type);
  for (const char* capability : kCapabilities) add_attribute(node, capability);
  // What it holds tasks in, for launch types that want one or the other.
  if (runtime_kind(config.tasks.runtime) == RuntimeKind::Sandbox) {
    add_attribute(node, "berth.sandbox", "kernel");
  } else if (config.tasks.user_namespaces.enabled()) {
    add_attribute(node, "berth.sandbox", "user-namespace");
  }
  const TaskAllowance& allowance = config.tasks.allowance;
  if (allowance.disk_gib > 0) add_attribute(node, "berth.task-disk-gib", std::to_string(allowance.disk_gib));
  if (allowance.pids > 0) add_attribute(node, "berth.task-pids", std::to_string(allowance.pids));
  if (host.apparmor) add_attribute(node, "com.amazonaws.ecs.capability.apparmor");
  for (const std::string driver : kLogDrivers) {
    if (driver == "journald" && !host.has_journal) continue;
    add_attribute(node, "com.amazonaws.ecs.capability.logging-driver." + driver);
  }
  if (!host.name.empty() && !config.attributes.contains(kHostName)) add_attribute(node, kHostName, host.name);
  for (const auto& [name, value] : config.attributes) add_attribute(node, name, value);

  add_counter(node, "CPU", config.cpu.value_or(host.cpus * 1024));
  add_counter(node, "MEMORY", config.memory_mib.value_or(host.memory_mib));
  std::vector<std::uint16_t> reserved(std::begin(kReservedPorts), std::end(kReservedPorts));
  reserved.insert(reserved.end(), config.reserved_ports.begin(), config.reserved_ports.end());
  add_ports(node, "PORTS", reserved);
  add_ports(node, "PORTS_UDP", config.reserved_ports_udp);
  add_counter(node, "ENI", config.eni_slots);
  return registration;
}

}  // namespace berth::runtime
