// SPDX-License-Identifier: Apache-2.0
// Asks drivers and CDI files about the host's devices for as long as it lives, and tells the host
// what changes.
//
// Invariants: 1. A call into a driver runs on a thread of that driver and holds nobody up: while it
// hangs, its devices are not healthy. 2. One scan of a driver is under way at a time. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "berth/host.hpp"
#include "berth/worker.hpp"
#include "plugins/gpu/devices/config.hpp"
#include "plugins/gpu/devices/device_list.hpp"
#include "plugins/gpu/devices/driver_thread.hpp"
#include "sdk/cdi/catalog.hpp"

namespace berth::gpu {

class DeviceWatch {
 public:
  using Stats = std::vector<v1::DeviceStats>;

  DeviceWatch(const sdk::Host& host, Config config);
  DeviceWatch(const DeviceWatch&) = delete;
  DeviceWatch& operator=(const DeviceWatch&) = delete;
  ~DeviceWatch();

  // Begins. `ready` runs once when all drivers have answered, or after `driver_timeout`.
  void begin(std::function<void()> ready);
  // Runs `job` soon, on a thread that may block, with what is known then.
  void with_devices(std::function<void(const DeviceList&, const cdi::Catalog&)> job);
  // Has `done` run once, on any thread, with what has come of these devices (none: of all) within
  // `driver_timeout`.
  void stats(std::vector<std::string> ids, std::function<void(Stats)> done);

 private:
  struct Inbox;
  struct Gathering;

  void tick();
  void look();
  void take_answers();
  void tell(const DeviceList& before);
  void complain();
  void ask_stats(std::vector<std::string> ids, std::function<void(Stats)> done);

  const sdk::Host host_;
  const Config config_;
  std::shared_ptr<nvml::Nvml> nvml_;  // none: the operator wants none
  std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<DriverThread> nvml_thread_;
  DriverThread amd_thread_;

  // On the worker's thread only.
  cdi::Catalog catalog_;
  DeviceList list_;
  Sources sources_;
  bool nvml_asked_ = false;
  bool amd_asked_ = false;
  std::function<void()> ready_;
  std::set<std::string> complaints_;

  sdk::Worker worker_;
};

}  // namespace berth::gpu
