// SPDX-License-Identifier: Apache-2.0
// The wall clock as the loop needs it: set back it goes on by the machine's steady clock, set ahead
// it follows; raised by what is known to have been. Never goes back, never stands still. Pure.
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/model/instant.hpp"

namespace berth::daemon {

class ForwardClock {
 public:
  using Steady = std::chrono::steady_clock::time_point;

  [[nodiscard]] Instant at(Instant wall, Steady steady) {
    if (!begun_) {
      begun_ = true;
      latest_ = wall;
      read_at_ = steady;
    }
    const auto passed = std::chrono::duration_cast<milliseconds>(steady - read_at_);
    latest_ = std::max(wall, latest_ + passed);
    read_at_ += passed;  // a part of a millisecond is left for the next time
    return latest_;
  }

  // From here on it is `least` at least, and goes on from there. Requires: it was read before.
  void raise(Instant least) { latest_ = std::max(latest_, least); }

 private:
  bool begun_ = false;
  Instant latest_{};
  Steady read_at_{};
};

}  // namespace berth::daemon
