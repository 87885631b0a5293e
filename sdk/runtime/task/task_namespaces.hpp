// SPDX-License-Identifier: Apache-2.0
// The namespaces that the containers of a task share (pidMode and ipcMode task), and the small
// container that holds them: pid 1 of the shared processes, and the owner of the shared /dev/shm
// and its sysctls.
//
// Invariant: all of it is found by the task's id after any restart. Threads: any; calls for one
// task may overlap. Errors: those of ContainerRuntime and VolumeStore.
#pragma once

#include <array>
#include <filesystem>
#include <mutex>
#include <string>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/oci/container_runtime.hpp"
#include "sdk/runtime/volume/volume_store.hpp"

namespace berth::runtime {

class TaskNamespaces {
 public:
  struct Config {
    std::filesystem::path tasks_dir;     // a directory for each task
    std::filesystem::path init_program;  // berth-init
  };
  // Both must outlive this.
  TaskNamespaces(ContainerRuntime& runtime, volume::VolumeStore& volumes, Config config)
      : runtime_(runtime), volumes_(volumes), config_(std::move(config)) {}

  // Fills in the paths of what is the task's in `options`; makes the holder where it is needed and
  // missing.
  [[nodiscard]] sdk::Result<void> join(const v1::StartTaskRequest& task,
                                       const std::string& task_cgroup, ContainerOptions& options);

  // Ends the holder. The task's containers have ended. Idempotent.
  [[nodiscard]] sdk::Result<void> remove(const std::string& task_id);

  // The id of a task's holder among those of containers.
  [[nodiscard]] static std::string holder_id(const std::string& task_id) {
    return task_id + "-namespaces";
  }

 private:
  [[nodiscard]] sdk::Result<ContainerHandle> ensure_holder(const v1::StartTaskRequest& task,
                                                           const std::string& task_cgroup);
  [[nodiscard]] sdk::Result<ContainerSpec> holder_spec(const v1::StartTaskRequest& task,
                                                       const std::string& task_cgroup) const;

  ContainerRuntime& runtime_;
  volume::VolumeStore& volumes_;
  const Config config_;
  std::array<std::mutex, 16> mutexes_;  // of tasks
};

}  // namespace berth::runtime
