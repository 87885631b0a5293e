// SPDX-License-Identifier: Apache-2.0
// The loop thread of a control plane: one queue of work, one wake-up, drained in turns.
//
// A turn takes all that is queued, runs it, then calls the tick once, so that reactions are
// coalesced. Threads: post, stop and wake_at from any; run on the thread that is to be the loop.
#pragma once

#include <functional>
#include <memory>

#include "core/model/instant.hpp"

namespace berth::daemon {

class Loop final : public Timers {
 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(std::function<void()> work);
  // The wall clock, but one that never goes back (ForwardClock).
  [[nodiscard]] Instant now();
  // Time has been there already: it goes on from `least`, where it would be before it.
  void not_before(Instant least);
  void wake_at(Instant at) override;

  // Runs `tick` after each drained batch and each wake-up, until stop.
  void run(const std::function<void(Instant)>& tick);
  void stop();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace berth::daemon
