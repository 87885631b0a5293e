// SPDX-License-Identifier: Apache-2.0
// Networks of containers that the plugins of an operator's CNI list make, instead of the bridge of
// our own.
//
// Invariants: 1. What is needed to take an endpoint away (the list as it was, the final result) is
// on disk before anyone hears of it, and that it was begun before the first plugin is asked: after
// any crash DEL finds it. 2. ADD is asked once; whatever failed is followed by DEL. 3. Published
// ports are held bound, so nobody else on the host takes them. 4. One plugin at a time works on a
// container, those of an agent that died included. Threads: any; calls for one id one at a time. Errors: as TaskNetwork's; INVALID where the list has nobody to publish a port.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/task_network.hpp"

namespace berth::runtime {

struct CniConfig {
  std::filesystem::path state_dir;   // made where missing
  std::filesystem::path list;        // the operator's conflist; empty: attach() is not asked
  std::vector<std::string> plugins;  // directories of programs
  std::string bridge;                // names the namespaces, as TaskNetwork does
  std::uint16_t dynamic_first = 0;   // of host ports; 0: the kernel's ephemeral range
  std::uint16_t dynamic_last = 0;
  std::string netns_dir = "/run/netns";
};

class CniNetwork {
 public:
  // Reads the list and what was given out. Errors: those of the list, before any task needs it; a
  // plugin that is missing, by name.
  static sdk::Result<std::unique_ptr<CniNetwork>> open(CniConfig config);
  // Leaves everything as it is.
  ~CniNetwork();
  CniNetwork(const CniNetwork&) = delete;
  CniNetwork& operator=(const CniNetwork&) = delete;

  // Whether there is a list.
  [[nodiscard]] bool enabled() const;
  // A namespace whose eth0 the plugins made. Idempotent by id. Blocks as long as they take.
  [[nodiscard]] sdk::Result<Endpoint> attach(const std::string& id,
                                             const std::vector<PortRequest>& ports);
  // Asks the plugins to take it away, in reverse. Its processes have ended. Unknown is fine.
  [[nodiscard]] sdk::Result<void> detach(const std::string& id);
  [[nodiscard]] sdk::Result<Endpoint> find(const std::string& id) const;

  // Detaches what belongs to none of `live`, and begins to have the plugins check the rest, one after
  // another, on a thread of its own. What is not as it should be is told in a sentence each, on this
  // thread and on that one, until the CniNetwork goes.
  using Complain = std::function<void(const std::string&)>;
  void sweep(const std::set<std::string>& live, Complain complain);

 private:
  class Impl;
  explicit CniNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
