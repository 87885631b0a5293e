// SPDX-License-Identifier: Apache-2.0
// Reads what a container definition asks beyond its program, limits and network: rights, ulimits,
// linuxParameters, system controls, terminals.
//
// Threads: any; pure. Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/oci/container_options.hpp"

namespace berth::runtime::options {

// privileged, ulimits, dockerSecurityOptions, linuxParameters.capabilities.
[[nodiscard]] sdk::Result<void> read_rights(const v1::ecs::TaskDefinition& task, int container,
                                            ContainerOptions& out);
// The rest of linuxParameters.
[[nodiscard]] sdk::Result<void> read_linux_parameters(const v1::ecs::TaskDefinition& task,
                                                      int container, ContainerOptions& out);
// pidMode, ipcMode and systemControls. Where a namespace is the task's its choice is Given, with
// the path left empty; the sysctls of such an ipc namespace are left to task_sysctls.
[[nodiscard]] sdk::Result<void> read_namespaces(const v1::ecs::TaskDefinition& task, int container,
                                                ContainerOptions& out);

// All of the above. Paths of tmpfs and device nodes only: volumes are read by read_volumes.
[[nodiscard]] sdk::Result<ContainerOptions> read_container_options(
    const v1::ecs::TaskDefinition& task, int container);

// What all containers ask of the ipc namespace that they share.
[[nodiscard]] std::map<std::string, std::string> task_sysctls(const v1::ecs::TaskDefinition& task);
// Of the shared /dev/shm of ipcMode task: the largest that is asked for, else 64 MiB.
[[nodiscard]] std::uint64_t task_shm_bytes(const v1::ecs::TaskDefinition& task);

}  // namespace berth::runtime::options
