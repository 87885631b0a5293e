// SPDX-License-Identifier: Apache-2.0
// Whether this kernel lets this process make user namespaces: it makes none for who lives in a chroot.
#pragma once

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace berth::runtime::testing {

[[nodiscard]] inline bool kernel_makes_user_namespaces() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && status == 0;
}

}  // namespace berth::runtime::testing
