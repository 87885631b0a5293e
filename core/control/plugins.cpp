// SPDX-License-Identifier: Apache-2.0
#include "core/control/plugins.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace berth::control {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

void Plugins::up(LaunchPlugin about) {
  Plugin& plugin = plugins_[about.name];
  plugin.about = std::move(about);
  plugin.up = true;
  plugin.session += 1;
}

void Plugins::down(const PluginName& name) {
  const auto at = plugins_.find(name);
  if (at != plugins_.end()) at->second.up = false;
}

const Plugins::Plugin* Plugins::find(const PluginName& name) const {
  const auto at = plugins_.find(name);
  return at == plugins_.end() ? nullptr : &at->second;
}

bool Plugins::is_up(const PluginName& name) const {
  const Plugin* plugin = find(name);
  return plugin != nullptr && plugin->up;
}

std::uint64_t Plugins::session(const PluginName& name) const {
  const Plugin* plugin = find(name);
  return plugin == nullptr ? 0 : plugin->session;
}

std::vector<PluginName> Plugins::serving_launch_type(std::string_view launch_type) const {
  std::vector<PluginName> names;
  for (const auto& [name, plugin] : plugins_) {
    if (contains(plugin.about.launch_types, launch_type)) names.push_back(name);
  }
  return names;
}

std::vector<PluginName> Plugins::serving_provider(std::string_view capacity_provider) const {
  std::vector<PluginName> names;
  for (const auto& [name, plugin] : plugins_) {
    if (contains(plugin.about.capacity_providers, capacity_provider)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> Plugins::providers() const {
  std::set<std::string> names;
  for (const auto& [name, plugin] : plugins_) {
    names.insert(plugin.about.capacity_providers.begin(), plugin.about.capacity_providers.end());
  }
  return {names.begin(), names.end()};
}

bool Plugins::is_reclaimable(const PluginName& name, std::string_view capacity_provider) const {
  const Plugin* known = find(name);
  return known != nullptr && contains(known->about.reclaimable_providers, capacity_provider);
}

void Plugins::call(Call call, Done done) {
  desk_.outbox().after(
      [this, call = std::move(call), done = std::move(done)] { call_now(call, done); });
}

void Plugins::call_now(Call call, Done done) {
  calls_.call(call.plugin, call.method, std::move(call.request), desk_.config().plugin_call_timeout,
              [inputs = desk_.inputs(), done = std::move(done)](Result<std::string> result) {
                // The core may be gone by then.
                if (const auto queue = inputs.lock()) {
                  queue->push_back([done, result = std::move(result)] { done(result); });
                }
              });
}

}  // namespace berth::control
