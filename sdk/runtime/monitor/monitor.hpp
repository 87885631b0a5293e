// SPDX-License-Identifier: Apache-2.0
// The life of one container, from the runtime's create to the removal of its traces, in a process
// that nobody's death disturbs.
//
// Invariants: 1. `started` is on disk before the program runs, `exit` (synced) before anyone hears
// of the end. 2. Output is read until the container has ended and the pipes are empty. 3. While
// this process lives it holds the lock on `container`. Threads: one; a poll loop. Errors: told on
// the sync descriptor until create is done, then on the control socket.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/runtime/monitor/console.hpp"
#include "sdk/runtime/monitor/log_writer.hpp"
#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {

class Monitor {
 public:
  // `sync_fd` gets one line: "ok PID TICKS MONITOR_PID" or "failed WHY"; its end of file says that
  // this process is gone.
  Monitor(std::string dir, state::Lines config, int sync_fd);
  ~Monitor();

  // The whole life; the exit code of the process.
  int run();
  // Removes what a monitor that died left behind.
  int remove_leftovers();

 private:
  struct Pipe {
    int read = -1;
    int write = -1;
  };

  bool prepare();
  bool create();
  bool take_terminal();
  void kill_stragglers();
  bool escape_cgroup(const std::string& pid) const;
  void escape_cgroup_meanwhile() const;
  // Runs the runtime to its end while output and clients are served; its wait status, -1 where it
  // could not run or timed out.
  int call(std::vector<std::string> arguments, bool with_output);
  void step(int timeout_ms);
  void accept_client();
  void serve(std::size_t client);
  void reply(int fd, std::string_view text);
  std::string start();
  bool release_program();
  void kill_container();
  void read_output(std::size_t stream);
  void reap();
  void record_exit();
  void clean();
  bool clean_quickly();
  void pass(std::string_view point) const;
  [[nodiscard]] std::string path(const char* name) const { return dir_ + "/" + name; }
  [[nodiscard]] std::vector<std::string> runtime_command() const;

  std::string dir_;
  state::Lines config_;
  int sync_fd_;
  int signal_fd_ = -1;
  int listen_fd_ = -1;
  std::vector<int> clients_;
  std::array<Pipe, 2> pipes_{};
  Pipe stdin_{};           // of a container whose stdin stays open; nobody writes
  ConsoleSocket console_;  // of a container with a terminal
  std::unique_ptr<LogWriter> log_;
  pid_t call_pid_ = 0;
  int call_status_ = 0;
  pid_t init_pid_ = 0;
  int init_status_ = 0;
  bool created_ = false;
  bool ended_ = false;
  bool kill_wanted_ = false;
  std::int64_t started_at_ns_ = 0;
  std::int64_t finished_at_ns_ = 0;
};

std::int64_t now_ns();

}  // namespace berth::runtime::monitor
