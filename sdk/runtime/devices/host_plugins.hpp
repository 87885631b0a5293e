// SPDX-License-Identifier: Apache-2.0
// The plugins of an agent (berth.host/1): loaded, watched, and asked for what tasks need of them.
//
// Invariants: 1. Every question has a deadline, and a plugin that hangs, fails or lies costs the
// tasks that need it, never the agent. 2. What is prepared is asked for again by the same names
// after a restart of the agent: plugins answer the same (host.proto). Threads: any. Errors: the
// plugin's, with its name; DEADLINE; CANCELLED after begin_close().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"
#include "berth/v1/launch.pb.h"
#include "sdk/loading/loader.hpp"
#include "sdk/runtime/devices/host_devices.hpp"
#include "sdk/runtime/devices/host_plugin.hpp"
#include "sdk/runtime/devices/plugin_loop.hpp"
#include "sdk/runtime/devices/plugin_settings.hpp"

namespace berth::runtime {

class HostPlugins {
 public:
  struct Config {
    std::vector<std::filesystem::path> directories;  // where libraries are looked for
    HostPluginTables plugins{};
    std::filesystem::path data_dir{};  // of each plugin: DATA_DIR/NAME
    std::string cluster{};
    // What the host offers has changed. On a thread of its own; must not block.
    std::function<void()> changed{};
  };
  // What a task's surroundings are, for each of its containers.
  struct Surroundings {
    std::string network_namespace{};  // path; empty: the agent's
    std::vector<v1::OciEdits> edits{};
  };

  // Loads and begins all that are enabled, and waits a few seconds for their devices: one that
  // takes longer is heard when it is. Errors: NOT_FOUND, DENIED, INVALID for a library or settings
  // that cannot be used, by name.
  static sdk::Result<std::unique_ptr<HostPlugins>> open(Config config);
  // Ends the plugins; what they have prepared stays.
  ~HostPlugins();
  HostPlugins(const HostPlugins&) = delete;
  HostPlugins& operator=(const HostPlugins&) = delete;

  // Waits end, and later questions fail at once.
  void begin_close();

  // ---- What the host offers
  [[nodiscard]] std::vector<v1::Resource> resources() const;
  // Why a task that has this device cannot go on; nothing: it can, as far as is known.
  [[nodiscard]] std::optional<std::string> loss(const std::string& device_id) const;

  // ---- For tasks
  // Whether all devices that were given to a task can be had. Errors: PRECONDITION, by device.
  [[nodiscard]] sdk::Result<void> check(const v1::Allocation& allocation) const;
  // Makes the devices of one container ready: edits of its configuration, in the order of plugins'
  // names. Idempotent. Errors: also PRECONDITION as check().
  [[nodiscard]] sdk::Result<std::vector<v1::OciEdits>> prepare(const v1::StartTaskRequest& task,
                                                               const std::string& container);
  // The devices of a stopped task are given back. Idempotent.
  [[nodiscard]] sdk::Result<void> release(const v1::StartTaskRequest& task);
  // Each plugin is asked once for a task in the life of this object.
  [[nodiscard]] sdk::Result<Surroundings> surround(const v1::StartTaskRequest& task,
                                                   const std::string& network_namespace);
  // Idempotent, also for tasks that never were surrounded.
  [[nodiscard]] sdk::Result<void> unsurround(const std::string& task_id);
  // Of all plugins together, in the order of their names.
  [[nodiscard]] sdk::Result<v1::InterfaceRulesResponse> interface_rules(
      const v1::InterfaceRulesRequest& request);
  // Of those whose plugin tells them.
  [[nodiscard]] std::vector<v1::DeviceStats> stats(const std::vector<std::string>& device_ids);

 private:
  struct Surrounded {
    std::mutex mutex;
    std::optional<Surroundings> surroundings;
  };

  explicit HostPlugins(Config config);
  [[nodiscard]] sdk::Result<void> load(const std::string& name, const HostPluginSettings& settings);
  void await_devices();
  void told(const std::string& plugin, const v1::DeviceReport& report);
  void silent(const std::string& plugin);
  template <typename Response>
  [[nodiscard]] sdk::Result<Response> ask(HostPlugin& plugin, v1::Method method,
                                          const std::string& request,
                                          std::chrono::milliseconds patience);
  [[nodiscard]] HostPlugin* find(const std::string& name);

  const Config config_;
  loading::Loader loader_;
  std::map<std::string, std::unique_ptr<HostPlugin>> plugins_;  // does not change once all are in
  std::atomic<bool> all_in_ = false;
  std::stop_source closing_;
  mutable std::mutex mutex_;
  std::condition_variable told_;
  HostDevices devices_;
  std::map<std::string, std::shared_ptr<Surrounded>> surrounded_;  // by task
  PluginLoop loop_;  // last: stops before what it calls goes
};

}  // namespace berth::runtime
