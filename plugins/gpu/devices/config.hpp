// SPDX-License-Identifier: Apache-2.0
// The settings of `[plugins.gpu]` that are the host role's, checked. README.md has the table for
// operators.
//
// Threads: plain values.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "berth/settings.hpp"

namespace berth::gpu {

struct Config {
  std::string nvml_library = "libnvidia-ml.so.1";  // a name or a path for dlopen; empty: none
  std::string sysfs_root = "/sys";
  std::vector<std::string> cdi_dirs;   // later ones win
  std::vector<std::string> cdi_kinds;  // whose devices are offered; empty: every VENDOR/gpu
  std::chrono::milliseconds poll_interval{500};
  std::chrono::milliseconds driver_timeout{1000};  // a call into a driver that takes longer hangs
  std::chrono::seconds xid_quarantine{300};        // 0: until the agent starts again
  bool sharing = true;                             // whether parts of a device may be given away
};

// Reads all keys; what is wrong is rejected in `settings`, by name.
[[nodiscard]] Config read_config(sdk::Settings& settings);

}  // namespace berth::gpu
