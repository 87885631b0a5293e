// SPDX-License-Identifier: Apache-2.0
// Reads the volumes of a task definition and where containers mount them.
//
// Threads: any; pure. Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

struct Volume {
  enum class Kind {
    Bind,    // a directory or file of the host's
    Task,    // made for the task, gone with it
    Shared,  // stays on the host, for all tasks that name it
  };
  std::string name;
  Kind kind = Kind::Task;
  std::string source_path;  // of a Bind; absolute
  bool autoprovision = false;
  std::map<std::string, std::string> driver_opts;  // of Docker's driver local: type, device, o
  std::map<std::string, std::string> labels;
};

struct MountPoint {
  std::string volume;
  std::string path;  // absolute, in the container
  bool read_only = false;
};

struct VolumesFrom {
  int container = 0;  // index
  bool read_only = false;
};

[[nodiscard]] sdk::Result<std::vector<Volume>> read_volumes(const v1::ecs::TaskDefinition& task);
[[nodiscard]] sdk::Result<std::vector<MountPoint>> read_mount_points(
    const v1::ecs::TaskDefinition& task, int container);
[[nodiscard]] sdk::Result<std::vector<VolumesFrom>> read_volumes_from(
    const v1::ecs::TaskDefinition& task, int container);

}  // namespace berth::runtime::options
