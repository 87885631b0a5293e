// SPDX-License-Identifier: Apache-2.0
// Devices of NVIDIA whose driver reported an error (an XID) that is the device's and not a
// program's.
//
// An XID is an event and no state: nothing says when it is over. So the device is held back for a
// time, which begins anew with each one. Threads: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace berth::gpu::nvml {

class XidQuarantine {
 public:
  using Clock = std::chrono::steady_clock;

  // Zero: for ever.
  explicit XidQuarantine(std::chrono::seconds length) : length_(length) {}

  void add(const std::string& uuid, std::uint64_t xid, Clock::time_point now);
  // Why the device is held back now; empty where it is not.
  [[nodiscard]] std::string fault(const std::string& uuid, Clock::time_point now);

 private:
  struct Held {
    std::uint64_t xid = 0;
    Clock::time_point until;
  };
  const std::chrono::seconds length_;
  std::map<std::string, Held> held_;
};

}  // namespace berth::gpu::nvml
