// SPDX-License-Identifier: Apache-2.0
// The launch type plugins that the core knows, who serves what, and the way to call them.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/control/desk.hpp"

namespace berth::control {

class Plugins {
 public:
  struct Plugin {
    LaunchPlugin about;
    bool up = false;
    std::uint64_t session =
        0;  // counts its starts: what an earlier one answers about what it holds is void
  };

  Plugins(Desk& desk, PluginCalls& calls) : desk_(desk), calls_(calls) {}

  void up(LaunchPlugin about);
  void down(const PluginName& name);
  [[nodiscard]] const Plugin* find(const PluginName& name) const;
  [[nodiscard]] bool is_up(const PluginName& name) const;
  [[nodiscard]] std::uint64_t session(const PluginName& name) const;

  // In the order of their names, also those that are down.
  [[nodiscard]] std::vector<PluginName> serving_launch_type(std::string_view launch_type) const;
  [[nodiscard]] std::vector<PluginName> serving_provider(std::string_view capacity_provider) const;

  // All that any of them serves, in order.
  [[nodiscard]] std::vector<std::string> providers() const;
  // Whether tasks of this provider give way to others of the plugin.
  [[nodiscard]] bool is_reclaimable(const PluginName& name,
                                    std::string_view capacity_provider) const;

  // Calls once all that was recorded so far is durable. `done` comes as an input of a later tick.
  using Done = std::function<void(Result<std::string>)>;
  struct Call {
    PluginName plugin;
    std::uint32_t method = 0;
    std::string request;
  };
  void call(Call call, Done done);
  // The same from within an effect: at once.
  void call_now(Call call, Done done);

 private:
  Desk& desk_;
  PluginCalls& calls_;
  std::map<PluginName, Plugin> plugins_;
};

}  // namespace berth::control
