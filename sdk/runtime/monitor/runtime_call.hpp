// SPDX-License-Identifier: Apache-2.0
// Starts one call of the OCI runtime as a child process, with PATH alone as environment.
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

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

// The child's pid; -1 with errno.
pid_t spawn(const RuntimeCall& call);

}  // namespace berth::runtime::monitor
