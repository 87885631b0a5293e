// SPDX-License-Identifier: Apache-2.0
// What is mounted in a container beyond its root file system: volumes, volumes of others, the
// image's own, tmpfs.
//
// Threads: any; one at a time for one container. Errors: those of the volume store and of reading
// the definition.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/id_range.hpp"
#include "sdk/runtime/oci/container_options.hpp"
#include "sdk/runtime/volume/volume_store.hpp"

namespace berth::runtime {

class ContainerMounts {
 public:
  // `tasks_dir` holds a directory for each task, in which is noted what its containers mount:
  // volumesFrom asks for it, also when the other container has gone.
  ContainerMounts(volume::VolumeStore& store, std::filesystem::path tasks_dir)
      : store_(store), tasks_dir_(std::move(tasks_dir)) {}

  struct Place {
    const std::vector<std::string>& image_volumes;
    const std::string& rootfs;  // mounted
    IdRange ids{};              // of the container's user namespace
  };
  // Makes volumes, fills those that are empty from the image, and adds all to `options`, outer
  // directories first.
  [[nodiscard]] sdk::Result<void> prepare(const v1::StartTaskRequest& task, int container,
                                          const Place& place, ContainerOptions& options);

 private:
  [[nodiscard]] std::filesystem::path note_of(const std::string& task_id, int container) const;

  volume::VolumeStore& store_;
  const std::filesystem::path tasks_dir_;
};

// Adds one mount more, in its place among those of outer and inner directories.
void add_mount(ContainerOptions& options, MountSpec mount);

}  // namespace berth::runtime
