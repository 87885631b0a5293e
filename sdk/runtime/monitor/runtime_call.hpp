// SPDX-License-Identifier: Apache-2.0
// Starts one call of the OCI runtime as a child process, with PATH alone as environment.
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {

struct RuntimeCall {
  std::vector<std::string> argv;
  int stdin_fd = -1;  // -1: /dev/null; so for all three
  int stdout_fd = -1;
  int stderr_fd = -1;
  // On a hybrid host crun refuses to work while it sees cgroup2: a mount namespace of the call's
  // own covers it with an empty tmpfs, which also takes the plain directories that crun leaves
  // there.
  bool hide_cgroup2 = false;
};

// What sends a signal to a process that the runtime's exec has begun in a sandbox: no process of the
// host is it. `container` is the container's (or the exec's) state file, `internal_pid` the file
// with its pid there. No words where that is not known.
RuntimeCall signal_in_sandbox(const state::Lines& container, const std::string& internal_pid,
                              int signo);

// Sends it SIGKILL, and waits for the runtime's answer, for as long as a call may take.
void end_in_sandbox(const state::Lines& container, const std::string& internal_pid);

// What can be read is its end, as with /dev/null, and it is nobody else's. -1 with errno.
int empty_input();

// The child's pid; -1 with errno.
pid_t spawn(const RuntimeCall& call);

}  // namespace berth::runtime::monitor
