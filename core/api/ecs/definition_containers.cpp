// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <set>

#include "core/api/ecs/definition_rules.hpp"
#include "core/model/arn.hpp"

namespace berth::api {
namespace {

using Container = ecs::ContainerDefinition;

// Where the container stands and how ECS's messages begin.
struct Place {
  const Registration& request;
  const Container& container;
  std::string path;

  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& text,
                                             const std::string& member) const {
    return refuse_definition("Invalid setting for container '" + container.name() + "'. " + text,
                             path + "." + member);
  }
};

Result<void> check_memory(const Place& place) {
  const Container& container = place.container;
  if (!container.has_memory() && !container.has_memory_reservation() &&
      !place.request.has_memory()) {
    return place.refuse("At least one of 'memory' or 'memoryReservation' must be specified.",
                        "memory");
  }
  if (container.has_memory() && container.has_memory_reservation() &&
      container.memory() <= container.memory_reservation()) {
    return place.refuse("'memory' must be greater than 'memoryReservation'.", "memoryReservation");
  }
  const auto& parameters = container.linux_parameters();
  if (parameters.has_swappiness() && !parameters.has_max_swap()) {
    return place.refuse("'swappiness' needs 'maxSwap'.", "linuxParameters.swappiness");
  }
  return {};
}

Result<void> check_environment(const Place& place) {
  std::set<std::string> names;
  for (const auto& variable : place.container.environment()) {
    if (variable.name().empty() || variable.name().find('=') != std::string::npos) {
      return place.refuse(
          "The name '" + variable.name() + "' of an environment variable is invalid.",
          "environment");
    }
    names.insert(variable.name());
  }
  for (const auto& secret : place.container.secrets()) {
    if (!names.insert(secret.name()).second) {
      return refuse_definition(
          "The secret name must be unique and not shared with any new or existing environment "
          "variables set on the container, such as '" +
              secret.name() + "'.",
          place.path + ".secrets");
    }
  }
  if (!place.container.secrets().empty() && !place.request.has_execution_role_arn()) {
    return refuse_definition(
        "When you are specifying container secrets, you must also specify a value for "
        "'executionRoleArn'.",
        "executionRoleArn");
  }
  return {};
}

Result<void> check_mounts(const Place& place) {
  std::set<std::string> paths;
  for (const auto& mount : place.container.mount_points()) {
    const bool known = std::ranges::any_of(
        place.request.volumes(), [&](const auto& v) { return v.name() == mount.source_volume(); });
    if (!known) {
      return place.refuse("Unknown volume '" + mount.source_volume() + "'.", "mountPoints");
    }
    if (!paths.insert(mount.container_path()).second) {
      return place.refuse("Two mount points have the path '" + mount.container_path() + "'.",
                          "mountPoints");
    }
  }
  return {};
}

// A whole number of GPUs, or a part of one: at most three decimals.
bool is_number_of_gpus(const std::string& value) {
  int count = 0;
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, count);
  if (read.ec != std::errc()) return false;
  if (read.ptr == end) return count >= 1;
  const std::string decimals = value.substr(value.find('.') + 1);
  return value.starts_with("0.") && !decimals.empty() && decimals.size() <= 3 &&
         decimals.find_first_not_of("0123456789") == std::string::npos &&
         decimals.find_first_not_of('0') != std::string::npos;
}

Result<void> check_sharing(const Place& place, const ecs::ResourceRequirement& requirement) {
  const std::string member = "resourceRequirements.sharingStrategy";
  if (requirement.type() != "GPU") {
    return place.refuse("Only a GPU can be shared by a sharingStrategy.", member);
  }
  if (requirement.has_value()) {
    return place.refuse("Give a value or a sharingStrategy, not both.", member);
  }
  const auto& sharing = requirement.sharing_strategy();
  if (!sharing.has_nvidia_mps()) {
    return place.refuse("A sharingStrategy must say nvidiaMps.", member);
  }
  const auto& share = sharing.nvidia_mps();
  const int percent = share.max_compute_percent();
  if (share.has_max_compute_percent() && (percent < 1 || percent > 100)) {
    return place.refuse("maxComputePercent is a number from 1 to 100.", member);
  }
  if (share.has_memory() && share.memory() < 1) {
    return place.refuse("The memory of a share is at least 1 MiB.", member);
  }
  if (!share.has_memory() && !share.has_max_compute_percent()) {
    return place.refuse("A share must say memory, maxComputePercent, or both.", member);
  }
  return {};
}

Result<void> check_resources(const Place& place) {
  for (const auto& requirement : place.container.resource_requirements()) {
    if (requirement.has_sharing_strategy()) {
      if (auto good = check_sharing(place, requirement); !good) return good;
    } else if (requirement.type() == "GPU" && !is_number_of_gpus(requirement.value())) {
      return place.refuse("'" + requirement.value() + "' is no number of GPUs.",
                          "resourceRequirements");
    } else if (requirement.value().empty()) {
      return place.refuse("A resource requirement needs a value.", "resourceRequirements");
    }
  }
  return {};
}

Result<void> check_process(const Place& place) {
  const Container& container = place.container;
  std::set<std::string> limits;
  for (const auto& limit : container.ulimits()) {
    if (!limits.insert(limit.name()).second) {
      return place.refuse("The ulimit '" + limit.name() + "' stands there twice.", "ulimits");
    }
    if (limit.hard_limit() >= 0 &&
        (limit.soft_limit() > limit.hard_limit() || limit.soft_limit() < 0)) {
      return place.refuse("The soft limit of ulimit '" + limit.name() + "' exceeds the hard limit.",
                          "ulimits");
    }
  }
  if (container.has_health_check()) {
    const std::string& form = container.health_check().command(0);
    if (form != "CMD" && form != "CMD-SHELL" && form != "NONE") {
      return place.refuse("A health check's command must begin with CMD or CMD-SHELL.",
                          "healthCheck.command");
    }
    if (form != "NONE" && container.health_check().command_size() < 2) {
      return place.refuse("A health check's command must say what to run.", "healthCheck.command");
    }
  }
  return check_resources(place);
}

Result<void> check_network(const Place& place) {
  const std::string& mode = place.request.network_mode();
  const Container& container = place.container;
  if (mode == "awsvpc") {
    if (container.has_hostname()) {
      return place.refuse("'hostname' is not supported in network mode 'awsvpc'.", "hostname");
    }
    if (!container.extra_hosts().empty()) {
      return place.refuse("'extraHosts' is not supported in network mode 'awsvpc'.", "extraHosts");
    }
  }
  if (!container.links().empty() && !mode.empty() && mode != "bridge") {
    return place.refuse("Links are not supported when networkMode=" + mode + ".", "links");
  }
  return {};
}

Result<void> check_restart(const Place& place) {
  const auto& policy = place.container.restart_policy();
  if (!policy.enabled() &&
      (policy.has_restart_attempt_period() || !policy.ignored_exit_codes().empty())) {
    return place.refuse("'restartPolicy' is not enabled.", "restartPolicy.enabled");
  }
  return {};
}

Result<void> check_container(const Place& place) {
  const Container& container = place.container;
  if (!is_valid_name(container.name())) {
    return refuse_definition("Invalid container name '" + container.name() +
                                 "': up to 255 letters, digits, '_' and '-' are allowed.",
                             place.path + ".name");
  }
  const std::string& image = container.image();
  if (image.find_first_of(" \t\r\n") != std::string::npos || image.size() > 2048) {
    return refuse_definition("Container.image contains invalid characters.", place.path + ".image");
  }
  for (const auto check : {check_memory, check_environment, check_mounts, check_process,
                           check_network, check_restart}) {
    if (auto done = check(place); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> check_containers(const Registration& request) {
  std::set<std::string> names;
  bool essential = false;
  int firelens = 0;
  bool uses_firelens = false;
  int index = 0;
  for (const auto& container : request.container_definitions()) {
    const Place place{request, container, "containerDefinitions[" + std::to_string(index++) + "]"};
    if (auto done = check_container(place); !done) return done;
    if (!names.insert(container.name()).second) {
      return refuse_definition("Container names must be unique: '" + container.name() + "'.",
                               place.path + ".name");
    }
    essential = essential || !container.has_essential() || container.essential();
    firelens += container.has_firelens_configuration() ? 1 : 0;
    uses_firelens = uses_firelens || container.log_configuration().log_driver() == "awsfirelens";
  }
  if (!essential) {
    return refuse_definition("Task definition must have at least one essential container.",
                             "containerDefinitions");
  }
  if (firelens > 1) {
    return refuse_definition("Only one container of a task can have a firelensConfiguration.",
                             "containerDefinitions");
  }
  if (uses_firelens && firelens == 0) {
    return refuse_definition(
        "The log driver awsfirelens needs a container with a firelensConfiguration.",
        "containerDefinitions");
  }
  return {};
}

}  // namespace berth::api
