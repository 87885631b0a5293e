// SPDX-License-Identifier: Apache-2.0
// The life of one process that is run inside a container beside its program, from the runtime's
// exec to its end.
//
// Invariants: 1. Whoever started this process holds the other end of the sync socket; when that
// goes, the exec'd process and its session are ended, whatever killed the other side. 2. While this
// process lives it holds the lock on `exec`. Threads: one; a poll loop. Errors: told on the sync
// socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {

class ExecMonitor {
 public:
  // Descriptors 0, 1 and 2 become those of the exec'd process where it has no terminal. `sync_fd`,
  // a SOCK_SEQPACKET socket, gets "ok PID" or "failed WHY", then "exit CODE"; it takes "signal N"
  // and "kill".
  ExecMonitor(std::string dir, state::Lines config, int sync_fd);

  // The whole life; the exit code of the process.
  int run();

 private:
  bool prepare();
  bool exec();
  void step(int timeout_ms);
  void serve();
  void reap();
  void end_all();
  void signal_inside(int signo);
  [[nodiscard]] std::string cgroup() const;
  void send(std::string_view text) const;
  [[nodiscard]] std::string path(const char* name) const { return dir_ + "/" + name; }

  std::string dir_;
  state::Lines config_;
  int sync_fd_;
  int signal_fd_ = -1;
  pid_t call_pid_ = 0;
  int call_status_ = 0;
  pid_t leader_ = 0;
  pid_t session_ = 0;  // which the leader was born in
  int leader_status_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;  // the other side has gone, or wants the end
};

}  // namespace berth::runtime::monitor
