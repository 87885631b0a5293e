// SPDX-License-Identifier: Apache-2.0
// TaskStats: counters of running containers, gathered from the hosts that run them.
//
// Threads: any.
#pragma once

#include "core/api/ecs/call.hpp"
#include "core/api/stats_source.hpp"

namespace berth::api {

// Asks each host once, all at the same time, and answers when all have answered or run out of time.
void task_stats(const Call& call, StatsSource& source);

}  // namespace berth::api
