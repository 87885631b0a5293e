// SPDX-License-Identifier: Apache-2.0
// Placement requests that are kept compiled: one for each kind of task that is being placed.
//
// To compile is to look at every node, so it is done once for a kind of task and not for each call.
// Kept are the `most` used last; what nobody used for a while is dropped (drop_idle). Threads:
// loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "core/control/demand.hpp"
#include "core/model/instant.hpp"
#include "core/placement/engine.hpp"

namespace berth::control {

class Compilations {
 public:
  // `rules` is not owned.
  Compilations(std::size_t most, const StrategyRules& rules) : most_(most), rules_(rules) {}

  // The request in the engine of the demand's cluster; valid until the next call.
  // Errors: Invalid, Subject::Request, for a constraint or strategy. Requires: the engine outlives
  // this object's use of it, and a cluster has one engine.
  [[nodiscard]] Result<placement::RequestId> get(const Demand& demand, placement::Engine& engine,
                                                 Instant now);

  // Drops what was used last at `until` or before.
  void drop_idle(Instant until);
  // When the longest unused of them was used; nothing where none is kept.
  [[nodiscard]] std::optional<Instant> oldest_use() const;

  [[nodiscard]] std::size_t size() const { return kept_.size(); }
  [[nodiscard]] std::uint64_t made() const { return made_; }

 private:
  struct Entry {
    std::string key;
    placement::Engine* engine;
    placement::RequestId request;
    Instant used;
  };
  void drop_oldest();

  std::size_t most_;
  const StrategyRules& rules_;
  std::list<Entry> by_use_;  // the last used first
  std::map<std::string, std::list<Entry>::iterator> kept_;
  std::uint64_t made_ = 0;
};

}  // namespace berth::control
