// SPDX-License-Identifier: Apache-2.0
// The loop on which the agent hears its plugins: one thread for all of them, which never calls one.
//
// Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "sdk/loading/host_side.hpp"

namespace berth::runtime {

class PluginLoop {
 public:
  // Runs after each piece of work and when its time has come; says when to run next at the latest.
  using Tick = std::function<std::optional<loading::Instant>(loading::Instant now)>;

  PluginLoop();
  ~PluginLoop() { stop(); }
  PluginLoop(const PluginLoop&) = delete;
  PluginLoop& operator=(const PluginLoop&) = delete;

  void start(Tick tick);
  // Work that is left is dropped, as is what comes later.
  void stop();

  // Usable also when this object is gone.
  [[nodiscard]] loading::Post post() const;
  // Milliseconds that never jump; not the time of day.
  [[nodiscard]] static loading::Instant now();

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state, const Tick& tick);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace berth::runtime
