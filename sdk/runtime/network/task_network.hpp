// SPDX-License-Identifier: Apache-2.0
// Networks of containers on this host: a bridge, a namespace for each container, and published
// ports.
//
// Invariants: 1. All is named after the bridge (netns PREFIX-ID, nftables table, veths), so several
// agents with different bridges live side by side and none touches what it did not make. 2. What
// was given out is on disk before it is made; a crash leaves nothing that sweep() does not find. 3.
// Ports that are published are held bound, so nobody else on the host takes them. Threads: any;
// calls for one id one at a time. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. Errors: NO_CAPACITY no
// address or port is free; ALREADY_EXISTS a fixed host port is taken (message names it); INVALID;
// INTERNAL with words of the kernel. Messages start "ContainerNetworkingError: " where a
// container's attachment failed.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/doors.hpp"

namespace berth::runtime {

enum class Protocol { Tcp, Udp };

struct PortRequest {
  std::uint16_t container_port = 0;
  std::uint16_t host_port = 0;  // 0: a free one of the dynamic range
  Protocol protocol = Protocol::Tcp;
  std::uint16_t count = 1;  // of ports from this one on, on as many host ports in a row
  bool is_range = false;    // asked for as one, also where it is of one port
};

struct PublishedPort {
  std::uint16_t container_port = 0;
  std::uint16_t host_port = 0;
  Protocol protocol = Protocol::Tcp;
  std::uint16_t count = 1;  // ports from these on
  bool is_range = false;    // asked for as one
  bool operator==(const PublishedPort&) const = default;
};

// A container's place on the network.
struct Endpoint {
  std::string id;
  std::string netns_path;  // for ContainerSpec
  std::string address;     // IPv4, empty in mode none
  std::string gateway;     // of the bridge; empty in mode none
  unsigned prefix_length = 0;
  std::string host_interface;        // the veth's end on the host; empty in mode none
  std::vector<PublishedPort> ports;  // on 0.0.0.0
  // Of whoever made the network; empty: the host's.
  std::vector<std::string> nameservers{};
  std::vector<std::string> search{};
};

struct NetworkConfig {
  std::string state_dir;          // made where missing
  std::string bridge = "berth0";  // 1 to 15 of [a-z0-9-]; names everything else
  std::string subnet;  // "172.30.0.0/16"; empty: one that no route of this host overlaps, then kept
  std::uint16_t dynamic_first = 0;       // 0: net.ipv4.ip_local_port_range
  std::uint16_t dynamic_last = 0;        // inclusive
  std::string netns_dir = "/run/netns";  // where `ip netns` looks
};

class TaskNetwork {
 public:
  // Reads what was given out; puts the nftables table back where there are endpoints and it is
  // gone. Makes nothing else.
  static sdk::Result<std::unique_ptr<TaskNetwork>> open(NetworkConfig config);
  // Leaves everything as it is.
  ~TaskNetwork();
  TaskNetwork(const TaskNetwork&) = delete;
  TaskNetwork& operator=(const TaskNetwork&) = delete;

  // A namespace with a veth on the bridge, an address, a default route and the published ports.
  // Makes bridge and table where missing. Idempotent by id: an endpoint that is whole is given
  // back.
  [[nodiscard]] sdk::Result<Endpoint> attach_bridge(const std::string& id,
                                                    const std::vector<PortRequest>& ports);
  // A namespace with a loopback only.
  [[nodiscard]] sdk::Result<Endpoint> attach_none(const std::string& id);

  // Removes an endpoint. Its processes have ended. Unknown is fine. The kernel takes the veth away
  // a little later.
  [[nodiscard]] sdk::Result<void> detach(const std::string& id);

  // Endpoint given out under this id. Errors: NOT_FOUND.
  [[nodiscard]] sdk::Result<Endpoint> find(const std::string& id) const;

  // Removes every endpoint, namespace, veth and port of this bridge that belongs to none of `live`;
  // gives the ids of what it removed.
  [[nodiscard]] sdk::Result<std::vector<std::string>> sweep(const std::set<std::string>& live);

  // No container on the bridge reaches these. Replaces those before.
  [[nodiscard]] sdk::Result<void> close(const Doors& doors);

  // Removes bridge, table and rules; refused with PRECONDITION while there are endpoints.
  [[nodiscard]] sdk::Result<void> tear_down();

 private:
  class Impl;
  explicit TaskNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime
