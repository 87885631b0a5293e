// SPDX-License-Identifier: Apache-2.0
// One short command in a running container, to its end: health checks.
//
// What the command leaves behind in the background belongs to the container, unless it was killed for its time.
// Threads: any; blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/oci/exec_session.hpp"

namespace berth::runtime {

struct ExecCall {
  std::vector<std::string> args;  // at least one
  std::chrono::milliseconds timeout{5'000};
  // Bytes that are kept of stdout and stderr together; the rest is read and dropped.
  std::size_t max_output = 4096;
  std::stop_token cancel{};
};

struct ExecOutcome {
  std::optional<int> exit_code;  // 128+n by signal n; absent: killed for its time or by `cancel`
  bool timed_out = false;
  std::string output;
};

// Starts the command there and waits for its end. Errors: those of ExecSession::start but DEADLINE.
[[nodiscard]] sdk::Result<ExecOutcome> run_to_end(const ExecSession::Place& place,
                                                  const ExecCall& call);

}  // namespace berth::runtime
