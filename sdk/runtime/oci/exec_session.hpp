// SPDX-License-Identifier: Apache-2.0
// One process that runs inside a container beside its program, and the ends of what it reads and
// writes.
//
// Invariants: 1. It never outlives this object, nor the process that holds it: its monitor then
// ends it and all of its session.
// 2. A process that ended by itself leaves what it put in the background to the container. 3.
// Nothing of it stays on disk. Threads: signal(), resize() and kill() any; of the rest one thread
// reads, another writes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

struct WindowSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
};

struct ExecSpec {
  std::vector<std::string> args;         // at least one
  bool input = false;                    // false: it reads nothing
  std::optional<WindowSize> terminal{};  // set: it has one, of this size
  bool one_output = false;               // what it says to stderr comes with its output
};

class ExecSession {
 public:
  struct Place {
    std::string monitor;        // berth-monitor
    std::string execs_dir;      // for a directory of its own
    std::string container_dir;  // the container's state directory
    std::chrono::milliseconds timeout{};  // for its start
  };
  // Errors: INVALID the command cannot be run; DEADLINE; UNAVAILABLE; INTERNAL.
  static sdk::Result<std::unique_ptr<ExecSession>> start(const Place& place, const ExecSpec& spec);
  // Ends the processes of directories that dead processes have left, and removes these.
  static void end_leftovers(const std::string& execs_dir);

  // As kill(), and waits for it.
  ~ExecSession();
  ExecSession(const ExecSession&) = delete;
  ExecSession& operator=(const ExecSession&) = delete;

  // Non-blocking ends; -1 where there is none. With a terminal output() is its master, input() a
  // copy of that, errors() -1.
  [[nodiscard]] int input() const { return input_.get(); }
  [[nodiscard]] int output() const { return output_.get(); }
  [[nodiscard]] int errors() const { return errors_.get(); }
  [[nodiscard]] bool has_terminal() const { return terminal_; }
  void close_input() { input_ = OwnedFd(); }

  // Readable once there is news: then poll_end() tells.
  [[nodiscard]] int control() const { return sync_.get(); }
  // The exit code (128 + n where signal n ended it) once it has ended. Errors: UNAVAILABLE its
  // monitor was killed; the process is ended then.
  [[nodiscard]] sdk::Result<std::optional<int>> poll_end();

  // To the command and what it has started in its process group. A process that has ended is fine.
  void signal(int signo);
  void resize(WindowSize size);
  // Ends it and all of its session. poll_end() tells the end.
  void kill();

 private:
  ExecSession() = default;
  sdk::Result<void> begin(const Place& place, const ExecSpec& spec);
  sdk::Result<void> await_start(const Place& place);
  sdk::Result<void> take_terminal(int listener, const ExecSpec& spec);

  std::string dir_;
  bool terminal_ = false;
  bool ended_ = false;
  OwnedFd sync_;
  OwnedFd input_;
  OwnedFd output_;
  OwnedFd errors_;
};

}  // namespace berth::runtime
