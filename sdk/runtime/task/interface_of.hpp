// SPDX-License-Identifier: Apache-2.0
// The interface of a task with the network mode awsvpc, as its start asks for it.
//
// Threads: any; pure. Errors: INVALID, with the member at fault.
#pragma once

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/network/task_interface.hpp"

namespace berth::runtime {

sdk::Result<TaskInterface> interface_of(const v1::StartTaskRequest& task);

}  // namespace berth::runtime
