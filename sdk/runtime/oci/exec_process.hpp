// SPDX-License-Identifier: Apache-2.0
// Runs one short command in a running container, to its end: health checks.
//
// It is run by the runtime's exec with the container's own user, environment, capabilities and limits. What the command leaves
// behind in the background belongs to the container. Threads: any; blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

struct ExecCall {
  std::vector<std::string> args;      // at least one
  std::chrono::milliseconds timeout{5'000};
  std::size_t max_output = 4096;      // bytes that are kept of stdout and stderr together; the rest is read and dropped
  std::stop_token cancel{};
};

struct ExecOutcome {
  std::optional<int> exit_code;  // 128+n by signal n; absent: killed for its time or by `cancel`
  bool timed_out = false;
  std::string output;
};

// `state_dir` is that of a container of ContainerRuntime. Kills what an exec of a dead agent left running there.
// Errors: NOT_FOUND no such container; INTERNAL it could not be run, with the runtime's words.
[[nodiscard]] sdk::Result<ExecOutcome> exec_in_container(const std::string& state_dir, const ExecCall& call);

}  // namespace berth::runtime
