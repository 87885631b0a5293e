// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/forbidden.hpp"

#include <algorithm>
#include <utility>

namespace berth::fargate {
namespace {

using v1::ecs::ContainerDefinition;
using v1::ecs::TaskDefinition;
using v1::ecs::Volume;

constexpr std::int64_t kLeastTimeout = 2;  // seconds
constexpr std::int64_t kMostTimeout = 120;

template <typename Message>
struct Member {
  const char* name;
  bool (*is_set)(const Message&);
  const char* message;  // null: ECS's usual sentence with the name
};

constexpr Member<TaskDefinition> kTaskMembers[] = {
    {"networkMode", [](const TaskDefinition& d) { return d.network_mode() != "awsvpc"; },
     "Fargate only supports network mode ‘awsvpc’."},
    {"ipcMode", [](const TaskDefinition& d) { return d.has_ipc_mode(); },
     "Tasks using the Fargate launch type do not support ipcMode."},
    {"pidMode", [](const TaskDefinition& d) { return d.pid_mode() == "host"; },
     "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for "
     "pidMode is 'task'."},
    {"placementConstraints",
     [](const TaskDefinition& d) { return d.placement_constraints_size() > 0; }, nullptr},
    {"inferenceAccelerators",
     [](const TaskDefinition& d) { return d.inference_accelerators_size() > 0; }, nullptr},
};

constexpr Member<Volume> kVolumeMembers[] = {
    {"host.sourcePath", [](const Volume& v) { return !v.host().source_path().empty(); }, nullptr},
    {"dockerVolumeConfiguration",
     [](const Volume& v) { return v.has_docker_volume_configuration(); }, nullptr},
};

bool asks_for_gpu(const ContainerDefinition& container) {
  return std::ranges::any_of(container.resource_requirements(),
                             [](const auto& one) { return one.type() == "GPU"; });
}

bool adds_capability(const ContainerDefinition& container) {
  return std::ranges::any_of(container.linux_parameters().capabilities().add(),
                             [](const std::string& name) { return name != "SYS_PTRACE"; });
}

bool logs_elsewhere(const ContainerDefinition& container) {
  const std::string& driver = container.log_configuration().log_driver();
  return !driver.empty() && driver != "awslogs" && driver != "splunk" && driver != "awsfirelens";
}

// Whose rights would fetch it: a host of a pool has none of its own.
bool routes_by_s3(const ContainerDefinition& container) {
  const auto& options = container.firelens_configuration().options();
  const auto type = options.find("config-file-type");
  return type != options.end() && type->second == "s3";
}

bool is_timeout(std::int64_t seconds) {
  return seconds >= kLeastTimeout && seconds <= kMostTimeout;
}

constexpr const char* kTimeouts =
    "startTimeout and stopTimeout must be between 2 and 120 seconds for Fargate compatible task "
    "definitions.";

constexpr Member<ContainerDefinition> kContainerMembers[] = {
    {"resourceRequirements", asks_for_gpu,
     "Tasks using the Fargate launch type do not support GPU resource requirements."},
    {"privileged", [](const ContainerDefinition& c) { return c.privileged(); }, nullptr},
    {"links", [](const ContainerDefinition& c) { return c.links_size() > 0; }, nullptr},
    {"disableNetworking", [](const ContainerDefinition& c) { return c.disable_networking(); },
     nullptr},
    {"dnsServers", [](const ContainerDefinition& c) { return c.dns_servers_size() > 0; }, nullptr},
    {"dnsSearchDomains",
     [](const ContainerDefinition& c) { return c.dns_search_domains_size() > 0; }, nullptr},
    {"extraHosts", [](const ContainerDefinition& c) { return c.extra_hosts_size() > 0; }, nullptr},
    {"dockerSecurityOptions",
     [](const ContainerDefinition& c) { return c.docker_security_options_size() > 0; }, nullptr},
    {"linuxParameters.devices",
     [](const ContainerDefinition& c) { return c.linux_parameters().devices_size() > 0; }, nullptr},
    {"linuxParameters.sharedMemorySize",
     [](const ContainerDefinition& c) { return c.linux_parameters().has_shared_memory_size(); },
     nullptr},
    {"linuxParameters.maxSwap",
     [](const ContainerDefinition& c) { return c.linux_parameters().has_max_swap(); }, nullptr},
    {"linuxParameters.swappiness",
     [](const ContainerDefinition& c) { return c.linux_parameters().has_swappiness(); }, nullptr},
    {"linuxParameters.capabilities.add", adds_capability, nullptr},
    {"logConfiguration.logDriver", logs_elsewhere, nullptr},
    {"firelensConfiguration.options.config-file-type", routes_by_s3,
     "Fargate compatible task definitions do not support the config-file-type s3 of "
     "firelensConfiguration. The supported value is file."},
    {"startTimeout",
     [](const ContainerDefinition& c) {
       return c.has_start_timeout() && !is_timeout(c.start_timeout());
     },
     kTimeouts},
    {"stopTimeout",
     [](const ContainerDefinition& c) {
       return c.has_stop_timeout() && !is_timeout(c.stop_timeout());
     },
     kTimeouts},
};

class Finder {
 public:
  template <typename Message, std::size_t size>
  void look(const Member<Message> (&members)[size], const Message& at, const std::string& path) {
    for (const auto& member : members) {
      if (!member.is_set(at)) continue;
      std::string text = member.message != nullptr
                             ? member.message
                             : std::string("Fargate compatible task definitions do not support ") +
                                   member.name + ".";
      found.push_back({path + member.name, std::move(text)});
    }
  }
  std::vector<Forbidden> found;
};

std::string at(const char* list, int index) {
  return std::string(list) + "[" + std::to_string(index) + "].";
}

}  // namespace

std::vector<Forbidden> find_forbidden(const TaskDefinition& definition) {
  Finder finder;
  finder.look(kTaskMembers, definition, "");
  for (int i = 0; i < definition.volumes_size(); ++i) {
    finder.look(kVolumeMembers, definition.volumes(i), at("volumes", i));
  }
  for (int i = 0; i < definition.container_definitions_size(); ++i) {
    finder.look(kContainerMembers, definition.container_definitions(i),
                at("containerDefinitions", i));
  }
  return std::move(finder.found);
}

}  // namespace berth::fargate
