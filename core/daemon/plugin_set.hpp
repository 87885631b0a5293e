// SPDX-License-Identifier: Apache-2.0
// The plugins of a control plane: found, made, asked who they are, activated, and joined to the core.
//
// A plugin that cannot be used is left out with its reason; everything else runs.
// Threads: loop, all of it, but describe_all (any).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "berth/model/berth_operations.pb.h"
#include "core/control/control.hpp"
#include "core/daemon/config.hpp"
#include "core/plugins/broker.hpp"
#include "core/plugins/instance.hpp"
#include "sdk/loading/loader.hpp"

namespace berth::daemon {

class PluginSet final : public control::PluginCalls {
 public:
  struct Ports {
    plugins::Post post;
    std::function<Instant()> now;
    std::function<void(control::LaunchPlugin)> up;  // a launch type plugin can be used
    std::function<void(const PluginName&, std::uint32_t event, std::string_view payload)> event;
    std::function<void(std::string_view chunk)> stream;  // a v1::StreamChunk
    plugins::Broker::RoleOf role_of;
    plugins::Broker::MayPull may_pull;
  };
  PluginSet(const Config& config, Ports ports);
  ~PluginSet() override;

  // Loads what the configuration and the plugin directories hold, and begins to activate it; `settled` runs
  // on the loop when every plugin is either in use or left out.
  void start(std::function<void()> settled);

  void call(const PluginName& plugin, std::uint32_t method, std::string request,
            milliseconds timeout, std::function<void(Result<std::string>)> done) override;
  // As call(), for one that may be cancelled. Gives 0 where there is no such plugin; `done` runs all the same.
  std::uint64_t begin(const PluginName& plugin, std::uint32_t method, std::string request,
                      std::function<void(Result<std::string>)> done);
  void cancel(const PluginName& plugin, std::uint64_t operation);

  // Deadlines. Call in each turn; be back at next_sweep().
  void sweep(Instant now);
  [[nodiscard]] std::optional<Instant> next_sweep() const;

  [[nodiscard]] std::vector<model::PluginDescription> describe_all() const;

 private:
  struct Candidate;
  // `expected`: its name where the library does not tell.
  void load(const PluginName& expected, const std::filesystem::path& file, const PluginSection& section);
  void use(const plugins::LibraryPtr& library, const PluginSection& section);
  void ready(const PluginName& name, const v1::Manifest& manifest);
  void leave_out(const PluginName& name, const std::string& path, const Error& error);
  void settle_one();

  const Config& config_;
  Ports ports_;
  loading::Loader loader_;
  plugins::Broker broker_;
  std::map<PluginName, std::shared_ptr<plugins::Instance>> instances_;
  std::size_t unsettled_ = 0;
  std::function<void()> settled_;
  mutable std::mutex mutex_;  // of descriptions_
  std::map<PluginName, model::PluginDescription> descriptions_;
};

}  // namespace berth::daemon
