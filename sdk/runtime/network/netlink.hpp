// SPDX-License-Identifier: Apache-2.0
// Links, addresses and routes of one network namespace, over a netlink socket.
//
// Threads: one at a time for one Netlink. The socket stays in the namespace it was opened in,
// whoever uses it. Errors: INTERNAL with the kernel's words; ALREADY_EXISTS, NOT_FOUND of links.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/subnet.hpp"

struct nl_sock;

namespace berth::runtime {

using MacAddress = std::array<unsigned char, 6>;

class Netlink {
 public:
  // In the calling thread's network namespace.
  static sdk::Result<Netlink> open();
  Netlink(Netlink&& other) noexcept;
  Netlink& operator=(Netlink&&) = delete;
  ~Netlink();

  struct Veth {
    std::string name;       // here
    std::string bridge;     // that it is plugged into; empty: into none
    std::string peer_name;  // there
    int peer_netns_fd = -1;
    MacAddress peer_mac{};
  };

  [[nodiscard]] sdk::Result<void> add_bridge(const std::string& name, const MacAddress& mac);
  // Both ends; this one is up, and a bridge sends back to it what came from it (a container asks
  // for its own published port).
  [[nodiscard]] sdk::Result<void> add_veth(const Veth& veth);
  [[nodiscard]] sdk::Result<void> remove_link(const std::string& name);
  [[nodiscard]] sdk::Result<void> set_up(const std::string& name);
  // An address that is there already is fine.
  [[nodiscard]] sdk::Result<void> add_address(const std::string& link, std::uint32_t address,
                                              unsigned prefix);
  // The same without a route to the addresses beside it: they are reached by the way the routes
  // say.
  [[nodiscard]] sdk::Result<void> add_lone_address(const std::string& link, std::uint32_t address,
                                                   unsigned prefix);
  [[nodiscard]] sdk::Result<void> add_default_route(std::uint32_t gateway);

  // One host route of the main table. Whose it is says `mark`, its metric: routes of others are not
  // touched.
  struct HostRoute {
    std::uint32_t to = 0;
    std::uint32_t gateway = 0;  // 0: on `link` itself
    std::string link;           // empty: where the gateway is
    std::uint32_t mark = 0;
    bool operator==(const HostRoute&) const = default;
  };
  // Takes the place of one to the same address with the same mark.
  [[nodiscard]] sdk::Result<void> add_host_route(const HostRoute& route);
  // Missing is fine.
  [[nodiscard]] sdk::Result<void> remove_host_route(const HostRoute& route);
  // Those with this mark that have a gateway; `link` is not filled in.
  [[nodiscard]] sdk::Result<std::vector<HostRoute>> host_routes(std::uint32_t mark);
  [[nodiscard]] std::vector<std::string> links();

  struct Route {
    Subnet to;
    std::string link;
  };
  // IPv4 routes of the main table but the default one.
  [[nodiscard]] sdk::Result<std::vector<Route>> routes();

 private:
  explicit Netlink(nl_sock* socket) : socket_(socket) {}
  [[nodiscard]] sdk::Result<int> index_of(const std::string& name);
  [[nodiscard]] sdk::Result<void> put_address(const std::string& link, std::uint32_t address,
                                              unsigned prefix, unsigned flags);
  nl_sock* socket_;
};

}  // namespace berth::runtime
