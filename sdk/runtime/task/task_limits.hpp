// SPDX-License-Identifier: Apache-2.0
// The numbers of a task definition as the host needs them, and what of it this agent cannot do.
//
// Threads: any; pure. Errors: INVALID and UNIMPLEMENTED, with the member at fault.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/log/log_options.hpp"
#include "sdk/runtime/network/task_network.hpp"

namespace berth::runtime {

enum class NetworkMode { None, Host, Bridge, Awsvpc };

// Limits of one container, merged with its override. 0: none.
struct ContainerLimits {
  std::uint64_t cpu_shares = 2;
  std::uint64_t memory_bytes = 0;
  std::uint64_t reservation_bytes = 0;
};

// Refuses what this agent would otherwise ignore, by the member's name.
// With disks of the tasks' own it acts on ephemeralStorage.
enum class TaskDisk { Host, Own };
sdk::Result<void> check_supported(const v1::StartTaskRequest& task, TaskDisk disk = TaskDisk::Host);

sdk::Result<NetworkMode> read_network_mode(const v1::StartTaskRequest& task);
sdk::Result<TaskLimits> read_task_limits(const v1::StartTaskRequest& task, std::chrono::milliseconds cpu_period);
sdk::Result<ContainerLimits> read_container_limits(const v1::StartTaskRequest& task, std::size_t container);
sdk::Result<std::vector<PortRequest>> read_ports(const v1::StartTaskRequest& task, std::size_t container);

// The log driver and its options.
sdk::Result<LogPlan> read_log_options(const v1::StartTaskRequest& task, std::size_t container);

}  // namespace berth::runtime
