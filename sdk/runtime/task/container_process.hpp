// SPDX-License-Identifier: Apache-2.0
// What a container runs and sees: image, task definition and override merged by Docker's and ECS's rules.
//
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/image/image.hpp"
#include "sdk/runtime/oci/container.hpp"

namespace berth::runtime {

struct ContainerProcess {
  std::vector<std::string> args;
  std::vector<std::string> env;  // without HOME, which needs the root file system
  std::string cwd;
  std::string user;              // as resolve_user takes it
};

// Errors: INVALID where neither image nor definition says what to run.
sdk::Result<ContainerProcess> merge_process(const v1::StartTaskRequest& task, std::size_t container,
                                            const image::ImageConfig& image, const std::string& hostname);

// Puts "NAME=value" in, in the place of a NAME that is there already, as Docker does.
void put_env(std::vector<std::string>& env, const std::string& name, const std::string& value);

// Adds "NAME=value" where `env` has no NAME.
void add_default(std::vector<std::string>& env, std::string_view name, const std::string& value);

// The override of a container, or an empty one.
const v1::ecs::ContainerOverride& override_of(const v1::StartTaskRequest& task, const std::string& container);

// Labels of image, definition and agent.
std::map<std::string, std::string> merge_labels(const v1::StartTaskRequest& task, std::size_t container,
                                                const image::ImageConfig& image);

// "SIGTERM", "TERM", "15", "SIGRTMIN+3". 0: not a signal.
int parse_signal(std::string_view text);

}  // namespace berth::runtime
