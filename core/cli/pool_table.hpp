// SPDX-License-Identifier: Apache-2.0
// Pools as `berth pool` shows them: what is used, and how much of what is free tasks can have.
//
// Threads: any; pure.
#pragma once

#include <boost/json.hpp>

#include "core/cli/commands.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {

// Of one pool in one zone: hosts, tasks, cpu, usedCpu, memory, usedMemory, fits (tasks of the size
// of `options` that find a place now) and fragmentation: the share, in percent, of the tasks that
// all free CPU and memory would hold on one host and that find no place on these.
[[nodiscard]] boost::json::object summary_of(const boost::json::object& pool,
                                             const PoolOptions& options);

// Each with its summary.
[[nodiscard]] Table pool_table(const boost::json::array& pools);

}  // namespace berth::cli
