// SPDX-License-Identifier: Apache-2.0
// The plugin under check, loaded into this process, and instances of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "berth/result.hpp"
#include "berth/v1/plugin.pb.h"
#include "sdk/check/host.hpp"
#include "sdk/check/rule.hpp"

namespace berth::check {

inline constexpr std::chrono::seconds kPatience{10};

// Opens the library as hosts do, and finds its table. Errors: Invalid, with the dynamic linker's
// words.
[[nodiscard]] sdk::Result<const berth_plugin*> load(const Subject& subject);

// The configuration that instances get: free ports, a data directory, the settings of the subject.
[[nodiscard]] v1::PluginConfig config_of(const Subject& subject);

// One instance. The host outlives it.
class Instance {
 public:
  Instance(const berth_plugin& plugin, Host& host) : plugin_(plugin), host_(host) {}
  ~Instance() { destroy(); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Errors: what the plugin says.
  [[nodiscard]] sdk::Result<void> create(const v1::PluginConfig& config);
  void destroy();

  // Begins a call under a new number; what call() returned is kept.
  std::uint64_t begin(std::uint32_t method, std::string_view request);
  void cancel(std::uint64_t operation) { plugin_.cancel(instance_, operation); }
  // The status with which call() took or refused it.
  [[nodiscard]] berth_status taken(std::uint64_t operation) const { return taken_.at(operation); }
  // How the call ended, whether refused or completed. Errors: Deadline where it did not.
  [[nodiscard]] sdk::Result<End> finish(std::uint64_t operation) const;
  [[nodiscard]] sdk::Result<End> call(std::uint32_t method, std::string_view request) {
    return finish(begin(method, request));
  }

  [[nodiscard]] sdk::Result<v1::Manifest> describe();
  [[nodiscard]] sdk::Result<void> activate();

  // What is wrong with the ends of all calls so far: taken and not completed once, refused and
  // completed. Empty: nothing. Requires: destroyed, or all calls finished.
  [[nodiscard]] std::string count_ends() const;

 private:
  const berth_plugin& plugin_;
  Host& host_;
  void* instance_ = nullptr;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, berth_status> taken_;
  std::map<std::uint64_t, std::uint32_t> methods_;
};

// A name for people: "METHOD_LAUNCH_PLAN (0x100)".
[[nodiscard]] std::string name_of(std::uint32_t method);
[[nodiscard]] std::string name_of_status(berth_status status);

}  // namespace berth::check
