// SPDX-License-Identifier: Apache-2.0
// Removes what a container leaves: its cgroups, its processes, the runtime's state directory.
//
// Threads: one. Errors: false with errno; what does not exist is fine.
#pragma once

#include <cstdint>
#include <string>

namespace berth::runtime::monitor {

// The number after "oom_kill" in memory.oom_control (v1) or memory.events (v2): kills of this
// cgroup's own processes, whichever level's limit was hit. It goes with the cgroup, so it is read
// before. 0 where it cannot be read.
std::int64_t count_oom_kills(const std::string& file);

// Removes one cgroup without children. Waits a little for processes that are just ending.
bool remove_cgroup(const std::string& directory);

// SIGKILL to all in one cgroup.
void kill_cgroup(const std::string& directory);

// Removes a directory of plain files, fifos and directories; follows no link.
bool remove_tree(const std::string& directory);

}  // namespace berth::runtime::monitor
