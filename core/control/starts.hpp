// SPDX-License-Identifier: Apache-2.0
// StartTask: one task on each container instance that the caller names. The caller decides where;
// the instance still has to be there, connected, and to have room.
//
// Constraints of the definition hold here too; strategies decide nothing. Threads: loop.
#pragma once

#include <memory>
#include <vector>

#include "core/control/launches.hpp"
#include "core/control/networks.hpp"
#include "core/control/placer.hpp"
#include "core/control/routes.hpp"

namespace berth::control {

class Starts {
 public:
  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Routes& routes;
    Placer& placer;
    Networks& networks;
    Launches& launches;
  };
  explicit Starts(Rooms rooms) : rooms_(rooms) {}

  void start(const StartTask& command, Reply reply);

 private:
  struct Start {
    Launches::Call call;
    std::vector<NodeId> instances;
    RoutesPtr routes;  // one for each plugin whose instances are named
    Reply reply;
  };
  using StartPtr = std::shared_ptr<Start>;

  [[nodiscard]] Result<RoutesPtr> routes_of(const Start& start) const;
  [[nodiscard]] Result<RunTaskAnswer> place_all(const Start& start);
  // Why no node needs to be asked; nothing where it does.
  [[nodiscard]] std::optional<Failure> absent(const Start& start, const NodeId& node) const;

  Rooms rooms_;
};

}  // namespace berth::control
