// SPDX-License-Identifier: Apache-2.0
// Starts a container's monitor and hears what it has to say at first.
//
// Threads: any; blocks.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime {

// A monitor that is asked for a call of the runtime answers within so much more than that may take.
inline constexpr std::chrono::seconds kMonitorGrace{5};

// Runs the monitor's program with these words; `files` become its descriptors 0 to 3, a negative
// one is closed there. It leaves for the background and is nobody's child. Errors: UNAVAILABLE.
[[nodiscard]] sdk::Result<void> spawn_monitor(const std::vector<std::string>& words,
                                              const std::array<int, 4>& files);

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
