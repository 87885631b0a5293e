// SPDX-License-Identifier: Apache-2.0
// One plugin of the agent, with its role berth.host/1.
//
// Invariants: 1. No call of it waits longer than its patience, whatever the plugin does: also one
// that blocks in a function that must not. 2. The plugin is called on a thread of its own.
// Threads: open and close the owner's; call any; all else the loop's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"
#include "berth/v1/plugin.pb.h"
#include "sdk/loading/host_side.hpp"
#include "sdk/loading/library.hpp"
#include "sdk/runtime/devices/plugin_thread.hpp"

namespace berth::runtime {

class HostPlugin {
 public:
  struct Outside {
    loading::Post post;
    std::function<loading::Instant()> now;
    // On the loop. All devices of the plugin.
    std::function<void(const std::string& plugin, const v1::DeviceReport& report)> told;
    // On the loop, while it goes on: the plugin has been asked for its devices and does not answer.
    std::function<void(const std::string& plugin)> silent;
  };

  // Makes an instance and asks who it is. Errors: the plugin's; INVALID where it has no host role;
  // DEADLINE.
  static sdk::Result<std::unique_ptr<HostPlugin>> open(loading::LibraryPtr library,
                                                       const v1::PluginConfig& config,
                                                       Outside outside);
  ~HostPlugin() { close(); }
  HostPlugin(const HostPlugin&) = delete;
  HostPlugin& operator=(const HostPlugin&) = delete;

  // Begins METHOD_ACTIVATE, and to ask for devices once that is done.
  void activate();
  // Ends the instance; one that does not end in time is left alone. Idempotent.
  void close();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool offers(v1::Method method) const;
  // Errors: the plugin's, with its name; DEADLINE; CANCELLED by `stop`; UNAVAILABLE while it is not
  // active; UNIMPLEMENTED.
  [[nodiscard]] sdk::Result<std::string> call(v1::Method method, std::string request,
                                              std::chrono::milliseconds patience,
                                              const std::stop_token& stop);

  // What time brings; says when to be called again at the latest.
  [[nodiscard]] std::optional<loading::Instant> tick(loading::Instant now);

 private:
  HostPlugin(loading::LibraryPtr library, Outside outside);
  [[nodiscard]] sdk::Result<void> begin(const v1::PluginConfig& config);
  [[nodiscard]] sdk::Result<std::string> ask(v1::Method method, std::string request,
                                             std::chrono::milliseconds patience,
                                             const std::stop_token& stop);
  void heard(std::uint32_t event, const std::string& payload);
  void answer_question(const std::string& payload);
  void activated(const loading::End& end);
  // Asks for the devices.
  void look();
  void looked(const loading::End& end);
  [[nodiscard]] sdk::Error error_of(const loading::End& end) const;

  const std::string name_;
  loading::LibraryPtr library_;
  Outside outside_;
  std::shared_ptr<loading::HostSide> host_;
  bool created_ = false;
  std::set<std::uint32_t> methods_;
  std::atomic<bool> active_ = false;
  std::atomic<bool> closing_ = false;
  std::optional<loading::Instant> looking_since_;
  std::optional<loading::Instant> next_look_;
  bool gap_ = false;  // events were dropped: the next look mends that
  PluginThread thread_;
};

}  // namespace berth::runtime
