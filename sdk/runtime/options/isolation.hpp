// SPDX-License-Identifier: Apache-2.0
// What an agent whose containers are set apart from the host more than usual cannot give them.
//
// Threads: any; pure. Errors: UNIMPLEMENTED, with the member at fault.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime::options {

struct Isolation {
  bool sandboxed = false;        // runsc: a kernel of its own for each container
  bool user_namespaces = false;  // ids of its own for each task
};

// The first member that such a host cannot act on.
[[nodiscard]] sdk::Result<void> check_isolation(const v1::ecs::TaskDefinition& task,
                                                const Isolation& isolation);

}  // namespace berth::runtime::options
