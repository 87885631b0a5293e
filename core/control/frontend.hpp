// SPDX-License-Identifier: Apache-2.0
// The door through which other threads reach the control core.
#pragma once

#include <functional>

#include "core/control/commands.hpp"
#include "core/control/state.hpp"

namespace berth::control {

// Reads the state on the loop: copies pointers, never works long. What it returns is run on the
// loop thread once all that it has seen is durable; it hands the copies to another thread.
using Query = std::function<std::function<void()>(const State&)>;

// Threads: any.
class Frontend {
 public:
  virtual ~Frontend() = default;
  virtual void submit(Command command, Reply reply) = 0;
  virtual void query(Query query) = 0;
};

}  // namespace berth::control
