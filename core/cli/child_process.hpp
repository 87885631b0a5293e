// SPDX-License-Identifier: Apache-2.0
// Starting, watching and ending the programs of a local stack.
//
// Threads: any. Errors: Unavailable with the program's last words, Deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/model/error.hpp"

namespace berth::cli {

// The directory of this program: its siblings are there.
[[nodiscard]] std::filesystem::path program_dir();

// The process named in `pid_file`, if it lives and runs `program` (a pid may have been given away since).
[[nodiscard]] std::optional<pid_t> running(const std::filesystem::path& pid_file,
                                           const std::string& program);

// What the program prints on stdout. Errors: Invalid with its stderr where it fails.
[[nodiscard]] Result<std::string> output_of(const std::vector<std::string>& command);

struct Spawn {
  std::vector<std::string> command;
  std::filesystem::path log;  // stdout and stderr are appended there
  bool detach = false;        // a session of its own, so that it outlives the terminal
  bool await_ready = false;   // adds `--ready-fd N` and waits until a line comes from it
  std::chrono::seconds patience{30};
};
[[nodiscard]] Result<pid_t> spawn(const Spawn& request);

// SIGTERM, and SIGKILL after `patience`; returns when the process is gone.
void end_process(pid_t pid, std::chrono::seconds patience);

// How long a log is now, in bytes: what a program writes from now on comes behind. 0 where there is
// none.
[[nodiscard]] std::uintmax_t length_of(const std::filesystem::path& log);

// The last lines of a log behind its first `skip` bytes, for messages.
[[nodiscard]] std::string last_lines(const std::filesystem::path& log, int count,
                                     std::uintmax_t skip = 0);

}  // namespace berth::cli
