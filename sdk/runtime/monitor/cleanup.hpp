// SPDX-License-Identifier: Apache-2.0
// Removes what a container leaves: its cgroups, its processes, the runtime's state directory.
//
// Threads: one. Errors: false with errno; what does not exist is fine.
#pragma once

#include <sys/types.h>

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

// A process that was run inside a container, by the runtime's exec.
struct ExecdProcess {
  pid_t pid = 0;      // 0: not known
  pid_t session = 0;  // which it was born in, its own or its runtime's; 0: not known
  pid_t adopter = 0;  // who gets the runtime's orphans; 0: nobody whose children are to be ended
};

// SIGKILL to the processes of one cgroup that are this one, in either session, or descendants of
// these or of the adopter; again until none is left. Others of the cgroup are not touched.
void kill_session(const ExecdProcess& leader, const std::string& directory);

// A signal to the processes of one cgroup that are in the process group of `leader`.
void signal_group(pid_t leader, int signo, const std::string& directory);

// Removes a directory of plain files, fifos and directories; follows no link.
bool remove_tree(const std::string& directory);

}  // namespace berth::runtime::monitor
