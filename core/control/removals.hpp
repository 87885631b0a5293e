// SPDX-License-Identifier: Apache-2.0
// Hosts that their operator takes out of the fleet for good.
//
// From the request on nothing is placed there. The caller is answered once the host's plugin has
// confirmed it: from then on the host cannot come back. Its instance is INACTIVE then, and its
// tasks are STOPPED: those of services are replaced. Threads: loop.
#pragma once

#include <functional>

#include "core/control/desk.hpp"
#include "core/control/nodes.hpp"
#include "core/control/plugins.hpp"

namespace berth::control {

class Removals {
 public:
  Removals(Desk& desk, Plugins& plugins, Nodes& nodes)
      : desk_(desk), plugins_(plugins), nodes_(nodes) {}

  void remove(const RemoveAgent& command, Reply reply);
  void remove(const DeregisterInstance& command, Reply reply);

 private:
  void remove_agent(const PluginName& plugin, const NodeId& id, Reply reply);
  // Calls `then` once its plugin has let it go, or with why not; then it is given back to placement.
  void let_go(const PluginName& plugin, const NodeId& id, std::function<void(Result<void>)> then);

  Desk& desk_;
  Plugins& plugins_;
  Nodes& nodes_;
};

}  // namespace berth::control
