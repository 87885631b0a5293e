// SPDX-License-Identifier: Apache-2.0
// What the host makes for a task's log router: its configuration, and the directory in which it
// listens. All of it is below the task's directory, so it goes with the task.
//
// Threads: any; one at a time for one task. Errors: INTERNAL with the path and why.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/oci/container_options.hpp"
#include "sdk/runtime/options/firelens.hpp"

namespace berth::runtime {

// Where the host finds the router's socket, once it listens. A container made it: nothing there is
// to be trusted.
[[nodiscard]] std::filesystem::path router_socket(const std::filesystem::path& task_dir);

struct RouterFiles {
  std::filesystem::path task_dir;
  uid_t uid = 0;  // on the host, of the router's user
  gid_t gid = 0;
  std::string ec2_instance_id{};        // empty: it is in no record
  std::optional<std::string> object{};  // the text of LogRouter::own_object
};

// Writes them, and gives what mounts them in the router.
[[nodiscard]] sdk::Result<std::vector<MountSpec>> make_router_files(
    const v1::StartTaskRequest& task, const options::LogRouter& router, const RouterFiles& files);

}  // namespace berth::runtime
