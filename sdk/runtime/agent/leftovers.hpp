// SPDX-License-Identifier: Apache-2.0
// What an agent leaves on its host when it is gone for good: tasks that ended without it, bridge,
// firewall table, cgroups.
//
// Threads: one at a time. Errors: PRECONDITION while an agent uses the directory, or tasks still run;
// DEADLINE where what is left of a task cannot be taken away.
#pragma once

#include "berth/result.hpp"
#include "sdk/runtime/agent/config.hpp"

namespace berth::runtime {

// Removes it; records, logs and images in the data directory stay.
[[nodiscard]] sdk::Result<void> remove_leftovers(const AgentConfig& config);

}  // namespace berth::runtime
