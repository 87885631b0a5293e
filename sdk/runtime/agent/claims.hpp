// SPDX-License-Identifier: Apache-2.0
// Names that several agents of one machine must not share: the bridge (and with it network
// namespaces and firewall table) and the parent of the tasks' cgroups.
//
// An agent would take the other's namespaces and cgroups for leftovers, and remove them. So each
// name is written down with the data directory of the agent that has it, also while that agent is
// away, since its containers run on. What lies in a directory that is there no more has no owner. A
// restart of the machine clears all of it, as it does the names themselves. Threads: any; also
// several processes at a time.
#pragma once

#include <filesystem>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {

inline constexpr const char* kClaimsDir = "/run/berth";

// Files of claims that were nobody's before.
using Claimed = std::vector<std::filesystem::path>;

// Errors: PRECONDITION that names the key, the name and the other agent's directory; INTERNAL.
[[nodiscard]] sdk::Result<Claimed> claim_names(const TasksConfig& config,
                                               const std::filesystem::path& claims = kClaimsDir);

// For an agent that was refused after all. Another one of its directory keeps what it had.
void take_back(const Claimed& claimed);

// Gives back those that are this agent's.
void release_names(const TasksConfig& config, const std::filesystem::path& claims = kClaimsDir);

}  // namespace berth::runtime
