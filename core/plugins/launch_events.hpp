// SPDX-License-Identifier: Apache-2.0
// What a launch type plugin tells, made whole: inventories that come in parts, and reports that a
// flood has swept away.
//
// Threads: loop. Kept by the instance's options; knows its host weakly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/model/error.hpp"
#include "sdk/loading/host_side.hpp"

namespace berth::plugins {

class LaunchEvents : public std::enable_shared_from_this<LaunchEvents> {
 public:
  using OnEvent = std::function<void(std::uint32_t event, std::string_view payload)>;

  explicit LaunchEvents(OnEvent on_event) : on_event_(std::move(on_event)) {}
  void connect(const std::shared_ptr<loading::HostSide>& host) { host_ = host; }

  // Passes an event on; parts of an inventory as one.
  void take(std::uint32_t event, std::string payload);
  // Events were dropped: asks list-owned and passes the answer on as reports. Reports are full
  // states, and with the answer comes a new inventory.
  void mend();

 private:
  void take_inventory(std::string payload);
  void ask_owned(const std::string& after);
  void on_owned(const Result<std::string>& answer, const std::string& after);

  const OnEvent on_event_;
  std::weak_ptr<loading::HostSide> host_;
  std::string snapshot_;  // parts so far
};

// An end as Result: the plugin's failure with its words and field. `plugin` is its name.
[[nodiscard]] Result<std::string> result_of(loading::End end, const std::string& plugin);

// An error of the SDK's as ours, about a plugin.
[[nodiscard]] Error error_of(const sdk::Error& error, const std::string& plugin);

}  // namespace berth::plugins
