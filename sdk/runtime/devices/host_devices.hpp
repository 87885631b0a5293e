// SPDX-License-Identifier: Apache-2.0
// The devices of this host as its plugins tell them: which there are, whose each is, and which of
// them a task may have.
//
// Invariants: 1. No id stands there twice: of two plugins the one whose name comes first has it.
// 2. A device that its plugin calls unhealthy, or whose plugin does not answer, is offered as
// unhealthy. 3. Nothing is concluded from the silence of a plugin: only what was told counts
// against a running task. Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"
#include "berth/v1/resources.pb.h"

namespace berth::runtime {

class HostDevices {
 public:
  static constexpr int kMost = 1024;  // of one plugin

  // A plugin that will tell its devices.
  void expect(const std::string& plugin);
  // All that a plugin has, in place of what it told before. Gives what is wrong with it, a sentence
  // each; what is wrong is left out.
  [[nodiscard]] std::vector<std::string> tell(const std::string& plugin,
                                              const v1::DeviceReport& report);
  // A plugin does not answer, or does again. False where that is no news.
  bool set_silent(const std::string& plugin, bool silent);

  // Every plugin has told.
  [[nodiscard]] bool is_whole() const;
  // What the host offers: one resource for each type, devices in the order of their ids.
  [[nodiscard]] std::vector<v1::Resource> resources() const;
  // The plugin whose device this is; empty: none's.
  [[nodiscard]] std::string owner_of(const std::string& device_id) const;

  // Why no task may be given this device now.
  [[nodiscard]] std::optional<std::string> refusal(const std::string& device_id) const;
  // Why a task that has it cannot go on.
  [[nodiscard]] std::optional<std::string> loss(const std::string& device_id) const;

 private:
  struct Told {
    bool known = false;  // it has told at least once
    bool silent = false;
    std::map<std::string, v1::Device> devices{};  // by id
  };
  struct Found {
    const std::string* plugin = nullptr;
    const Told* told = nullptr;
    const v1::Device* device = nullptr;
  };
  [[nodiscard]] Found find(const std::string& device_id) const;

  std::map<std::string, Told> plugins_;
};

}  // namespace berth::runtime
