// SPDX-License-Identifier: Apache-2.0
// Hosts that their operator takes out of the fleet for good.
//
// From the request on nothing is placed there. The caller is answered once the host's plugin has
// confirmed it: from then on the host cannot come back. The record follows by the plugin's
// inventory, as for any capacity that is withdrawn. Threads: loop.
#pragma once

#include "core/control/desk.hpp"
#include "core/control/nodes.hpp"
#include "core/control/plugins.hpp"

namespace berth::control {

class Removals {
 public:
  Removals(Desk& desk, Plugins& plugins, Nodes& nodes)
      : desk_(desk), plugins_(plugins), nodes_(nodes) {}

  void remove(const RemoveAgent& command, Reply reply);

 private:
  // `was_active`: whether it is given back to placement where the plugin keeps it.
  void let_go(const PluginName& plugin, const NodeId& id, bool was_active, Reply reply);

  Desk& desk_;
  Plugins& plugins_;
  Nodes& nodes_;
};

}  // namespace berth::control
