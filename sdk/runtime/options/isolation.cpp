// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/isolation.hpp"

#include "sdk/runtime/options/members.hpp"

namespace berth::runtime::options {
namespace {

using Definition = v1::ecs::ContainerDefinition;

sdk::Result<void> check_shared(const v1::ecs::TaskDefinition& task, const std::string& why) {
  if (!task.pid_mode().empty()) return unsupported("pidMode", why);
  if (!task.ipc_mode().empty() && task.ipc_mode() != "none") return unsupported("ipcMode", why);
  return {};
}

sdk::Result<void> check_in_sandbox(const v1::ecs::TaskDefinition& task) {
  const std::string why = "containers under runsc share no namespaces";
  if (auto fine = check_shared(task, why); !fine) return fine;
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    const Definition& container = task.container_definitions(i);
    if (container.privileged()) {
      return unsupported(of_container(i, "privileged"), "runsc gives no rights on the host");
    }
    if (container.system_controls_size() > 0) {
      return unsupported(of_container(i, "systemControls"), "runsc sets no system controls");
    }
    if (container.linux_parameters().devices_size() > 0) {
      return unsupported(of_container(i, "linuxParameters.devices"),
                         "runsc gives no devices of the host");
    }
    if (container.has_firelens_configuration()) {
      return unsupported(of_container(i, "firelensConfiguration"),
                         "a socket made under runsc is not there for the host");
    }
  }
  return {};
}

sdk::Result<void> check_with_own_ids(const v1::ecs::TaskDefinition& task) {
  const std::string why = "not with the agent's user_namespaces";
  if (auto fine = check_shared(task, why); !fine) return fine;
  if (task.network_mode() == "host") return unsupported("networkMode", "host: " + why);
  for (int i = 0; i < task.volumes_size(); ++i) {
    // Its files would be one task's and nobody's to the next, which has other ids.
    if (task.volumes(i).docker_volume_configuration().scope() == "shared") {
      return unsupported(at("volumes", i) + ".dockerVolumeConfiguration.scope", "shared: " + why);
    }
  }
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    const Definition& container = task.container_definitions(i);
    if (container.privileged()) return unsupported(of_container(i, "privileged"), why);
    if (container.linux_parameters().devices_size() > 0) {
      return unsupported(of_container(i, "linuxParameters.devices"), why);
    }
  }
  return {};
}

}  // namespace

sdk::Result<void> check_isolation(const v1::ecs::TaskDefinition& task, const Isolation& isolation) {
  if (isolation.sandboxed) {
    if (auto fine = check_in_sandbox(task); !fine) return fine;
  }
  if (isolation.user_namespaces) return check_with_own_ids(task);
  return {};
}

}  // namespace berth::runtime::options
