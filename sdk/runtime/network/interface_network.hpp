// SPDX-License-Identifier: Apache-2.0
// Tasks with an address of their own: a namespace with one interface for each, routed, with
// security groups on it, and routes to those of other hosts.
//
// Invariants: 1. All is named after the bridge (namespaces BRIDGE.eni_TASK, links, table, the
// metric of routes), so several agents live side by side and none touches what it did not make. 2.
// A namespace bears its final name only when all in it is made: no record of it is kept, and
// sweep() finds whatever a crash left. 3. What an interface may do is in force before it carries a
// packet. Threads: any; calls for one id may overlap. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN.
// Errors: INVALID; INTERNAL with words of the kernel. Messages of attach start
// "ContainerNetworkingError: ".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/doors.hpp"
#include "sdk/runtime/network/peers.hpp"
#include "sdk/runtime/network/task_interface.hpp"

namespace berth::runtime {

struct InterfaceNetworkConfig {
  std::string bridge = "berth0";         // names everything; no such device is made
  std::string netns_dir = "/run/netns";  // where `ip netns` looks
  // Keeps what is known of other hosts, for a start without the control plane; empty: nothing does.
  std::string peers_file{};
};

class InterfaceNetwork {
 public:
  // Where the metadata of a task is to listen, within its namespace (in_netns): an address of its
  // loopback.
  static constexpr const char* kMetadataAddress = "169.254.170.2";

  // Makes nothing.
  static sdk::Result<std::unique_ptr<InterfaceNetwork>> open(InterfaceNetworkConfig config);
  // Leaves everything as it is.
  ~InterfaceNetwork();
  InterfaceNetwork(const InterfaceNetwork&) = delete;
  InterfaceNetwork& operator=(const InterfaceNetwork&) = delete;

  // Whether nftables takes the rules that plugins give to this interface. Errors: INVALID, with its
  // words.
  [[nodiscard]] sdk::Result<void> check_rules(const TaskInterface& interface) const;
  // The end of its link on the host.
  [[nodiscard]] std::string link_name(const TaskInterface& interface) const;

  // The path of the namespace, made where it is not there. Idempotent by id.
  [[nodiscard]] sdk::Result<std::string> attach(const TaskInterface& interface);
  // Its processes have ended. Unknown is fine. The kernel takes the link away a little later.
  [[nodiscard]] sdk::Result<void> detach(const std::string& id);
  // The path where the namespace of this task is, or would be.
  [[nodiscard]] std::string netns_path(const std::string& id) const;

  // Takes over those of `live` that are whole, removes namespaces, links, rules and routes of all
  // others; gives the ids of what it removed. Before any attach.
  [[nodiscard]] sdk::Result<std::vector<std::string>> sweep(const std::vector<TaskInterface>& live);

  // News of other hosts: routes and groups follow. What cannot be made is logged by the caller: the
  // sentences say so.
  [[nodiscard]] std::vector<std::string> take(const PeerNews& news);
  // No task reaches these.
  void close(const Doors& doors);

  // Removes rules and routes; refused with PRECONDITION while there are interfaces.
  [[nodiscard]] sdk::Result<void> tear_down();

 private:
  class Impl;
  explicit InterfaceNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
