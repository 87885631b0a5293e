// SPDX-License-Identifier: Apache-2.0
// One plugin instance as the core sees it, wherever it runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/model/error.hpp"
#include "core/model/ids.hpp"
#include "core/model/instant.hpp"
#include "sdk/loading/host_side.hpp"

namespace berth::plugins {

using loading::CallOptions;
using loading::Post;

// Threads: loop.
class Peer {
 public:
  using Done = std::function<void(Result<std::string>)>;

  virtual ~Peer() = default;
  [[nodiscard]] virtual const PluginName& name() const = 0;

  // Begins a call (v1::Method). `done` runs exactly once, later, on the loop, never from within
  // call(): with the answer's bytes, the plugin's error, Deadline, or Cancelled when the instance
  // ends first. Gives the operation's number, 0 where it never opened.
  virtual std::uint64_t call(std::uint32_t method, std::string request, CallOptions options,
                             Done done) = 0;

  // Asks that an operation end soon; `done` still runs. Unknown and ended ones are ignored.
  virtual void cancel(std::uint64_t operation) = 0;
};

}  // namespace berth::plugins
