// SPDX-License-Identifier: Apache-2.0
// Questions for containers' counters, from the API to plugins.
//
// Threads: any.
#pragma once

#include "core/api/stats_source.hpp"
#include "core/daemon/plugin_set.hpp"

namespace berth::daemon {

class StatsCalls final : public api::StatsSource {
 public:
  // `post` runs work on the loop; both must outlive this.
  StatsCalls(PluginSet& plugins, std::function<void(std::function<void()>)> post)
      : plugins_(plugins), post_(std::move(post)) {}

  void read(const PluginName& plugin, const v1::StatsRequest& request,
            std::function<void(Result<v1::StatsResponse>)> done) override;

 private:
  PluginSet& plugins_;
  std::function<void(std::function<void()>)> post_;
};

}  // namespace berth::daemon
