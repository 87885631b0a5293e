// SPDX-License-Identifier: Apache-2.0
// The configuration that is made for a task's log router, in its own language.
//
// Threads: any; pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "sdk/runtime/options/firelens.hpp"

namespace berth::runtime::options {

// Name and value, in each record.
using RecordFields = std::vector<std::pair<std::string, std::string>>;

// Its inputs (the socket, and a port where the task has a network of its own), what is added to
// records, the user's own configuration, and an output for each container that names one. Values of
// secretOptions stand in it as references to variables of the router.
// Requires: a router that read_log_router gave for this task.
[[nodiscard]] std::string router_config(const v1::ecs::TaskDefinition& task,
                                        const LogRouter& router, const RecordFields& fields);

}  // namespace berth::runtime::options
