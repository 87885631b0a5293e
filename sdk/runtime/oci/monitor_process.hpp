// SPDX-License-Identifier: Apache-2.0
// Starts a container's monitor and hears what it has to say at first.
//
// Threads: any; blocks.
#pragma once

#include <chrono>
#include <string>

#include "berth/result.hpp"

namespace berth::runtime {

struct MonitorStart {
  std::string program;
  std::string state_dir;
  bool remove = false;  // only remove what another monitor left
  std::chrono::milliseconds timeout{};
};

// The monitor's line, without its end; empty where it died first. After an answer other than "ok
// ..." it is gone. Errors: UNAVAILABLE it could not be started; DEADLINE.
[[nodiscard]] sdk::Result<std::string> start_monitor(const MonitorStart& start);

// What an OCI runtime wrote into its log (JSON lines) about why it failed; empty where it wrote
// nothing.
[[nodiscard]] std::string runtime_failure(const std::string& log_path);

}  // namespace berth::runtime
