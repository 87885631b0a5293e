// SPDX-License-Identifier: Apache-2.0
// Named points at which a process can be made to die as by kill -9, for tests of what survives a
// crash.
//
//   BERTH_FAILPOINT("runtime.before_create");
//
// Environment BERTH_FAILPOINT=NAME[:N][,NAME[:N]...] ends the process by SIGKILL the N-th time
// (default: the first) that it comes to NAME, after one line "failpoint NAME" on stderr. With
// BERTH_FAILPOINT_GATE=FILE passages count only while FILE exists, so that a test can let the
// process come up first. Unset, a point costs one load and a branch.
//
// BERTH_MONITOR_FAILPOINT=NAME is for the monitors that this process starts: the first that comes
// to NAME while the gate is there removes the gate and dies.
//
// Threads: any. Names: PROGRAM-OR-FOLDER.before_X or .after_X.
#pragma once

#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <unistd.h>

namespace berth::runtime::failpoint {

inline const bool armed = std::getenv("BERTH_FAILPOINT") != nullptr;

// Passes the point `name`; does not return where it is the chosen one.
inline void pass(std::string_view name) {
  const char* const gate = std::getenv("BERTH_FAILPOINT_GATE");
  if (gate != nullptr && ::access(gate, F_OK) != 0) return;
  static std::mutex mutex;
  static std::map<std::string, int, std::less<>> left = [] {
    std::map<std::string, int, std::less<>> chosen;
    std::string_view spec = std::getenv("BERTH_FAILPOINT");
    while (!spec.empty()) {
      const auto comma = spec.find(',');
      const std::string one{spec.substr(0, comma)};
      spec = comma == std::string_view::npos ? std::string_view{} : spec.substr(comma + 1);
      const auto colon = one.find(':');
      const int count = colon == std::string::npos ? 1 : std::atoi(one.c_str() + colon + 1);
      chosen[one.substr(0, colon)] = count < 1 ? 1 : count;
    }
    return chosen;
  }();
  const std::lock_guard lock(mutex);
  const auto point = left.find(name);
  if (point == left.end() || --point->second > 0) return;
  const std::string line = "failpoint " + std::string(name) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

struct OfMonitors {
  std::string name;
  std::string gate;
};

inline std::optional<OfMonitors> of_monitors() {
  const char* const name = std::getenv("BERTH_MONITOR_FAILPOINT");
  const char* const gate = std::getenv("BERTH_FAILPOINT_GATE");
  if (name == nullptr || gate == nullptr) return std::nullopt;
  return OfMonitors{name, gate};
}

}  // namespace berth::runtime::failpoint

// `name` is evaluated only where a point is armed.
#define BERTH_FAILPOINT(name)                                                        \
  do {                                                                               \
    if (::berth::runtime::failpoint::armed) ::berth::runtime::failpoint::pass(name); \
  } while (false)
