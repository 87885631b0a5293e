// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/netlink.hpp"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace berth::runtime {
namespace {

template <auto Put>
struct Release {
  void operator()(auto* object) const { Put(object); }
};
using LinkPtr = std::unique_ptr<rtnl_link, Release<rtnl_link_put>>;
using AddrPtr = std::unique_ptr<nl_addr, Release<nl_addr_put>>;
using RtnlAddrPtr = std::unique_ptr<rtnl_addr, Release<rtnl_addr_put>>;
using RoutePtr = std::unique_ptr<rtnl_route, Release<rtnl_route_put>>;
using MessagePtr = std::unique_ptr<nl_msg, Release<nlmsg_free>>;
using CachePtr = std::unique_ptr<nl_cache, Release<nl_cache_free>>;

sdk::Error error_of(int code, const std::string& what) {
  const auto status = code == -NLE_EXIST                                ? BERTH_ALREADY_EXISTS
                      : code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV ? BERTH_NOT_FOUND
                                                                        : BERTH_INTERNAL;
  return sdk::fail(status, what + ": " + ::nl_geterror(code));
}

sdk::Result<void> checked(int code, const std::string& what) {
  if (code < 0) return error_of(code, what);
  return {};
}

AddrPtr ipv4(std::uint32_t address, unsigned prefix) {
  const std::uint32_t wire = htonl(address);
  AddrPtr out(::nl_addr_build(AF_INET, &wire, sizeof wire));
  ::nl_addr_set_prefixlen(out.get(), static_cast<int>(prefix));
  return out;
}

void set_mac(rtnl_link* link, const MacAddress& mac) {
  const AddrPtr address(::nl_addr_build(AF_LLC, mac.data(), mac.size()));
  ::rtnl_link_set_addr(link, address.get());
}

}  // namespace

sdk::Result<Netlink> Netlink::open() {
  nl_sock* socket = ::nl_socket_alloc();
  if (!socket) return sdk::fail(BERTH_UNAVAILABLE, "no netlink socket");
  if (const int code = ::nl_connect(socket, NETLINK_ROUTE); code < 0) {
    ::nl_socket_free(socket);
    return error_of(code, "netlink");
  }
  return Netlink(socket);
}

Netlink::Netlink(Netlink&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}

Netlink::~Netlink() {
  if (socket_) ::nl_socket_free(socket_);
}

sdk::Result<int> Netlink::index_of(const std::string& name) {
  rtnl_link* found = nullptr;
  if (const int code = ::rtnl_link_get_kernel(socket_, 0, name.c_str(), &found); code < 0) {
    return error_of(code, "link " + name);
  }
  const LinkPtr link(found);
  return ::rtnl_link_get_ifindex(link.get());
}

sdk::Result<void> Netlink::add_bridge(const std::string& name, const MacAddress& mac) {
  const LinkPtr link(::rtnl_link_bridge_alloc());
  ::rtnl_link_set_name(link.get(), name.c_str());
  // A fixed one: else the bridge takes the lowest of its ports, and neighbours lose it with each
  // container.
  set_mac(link.get(), mac);
  return checked(::rtnl_link_add(socket_, link.get(), NLM_F_CREATE | NLM_F_EXCL), "bridge " + name);
}

sdk::Result<void> Netlink::add_veth(const Veth& veth) {
  int bridge = 0;
  if (!veth.bridge.empty()) {
    auto found = index_of(veth.bridge);
    if (!found) return found.error();
    bridge = *found;
  }
  {
    const LinkPtr link(::rtnl_link_veth_alloc());
    rtnl_link* peer = ::rtnl_link_veth_get_peer(link.get());  // holds a reference that is put below
    ::rtnl_link_set_name(link.get(), veth.name.c_str());
    if (bridge != 0) ::rtnl_link_set_master(link.get(), bridge);
    ::rtnl_link_set_flags(link.get(), IFF_UP);
    ::rtnl_link_set_name(peer, veth.peer_name.c_str());
    ::rtnl_link_set_ns_fd(peer, veth.peer_netns_fd);
    set_mac(peer, veth.peer_mac);
    const int code = ::rtnl_link_add(socket_, link.get(), NLM_F_CREATE | NLM_F_EXCL);
    ::rtnl_link_put(peer);
    if (code < 0) return error_of(code, "veth " + veth.name);
  }
  if (bridge == 0) return {};
  auto index = index_of(veth.name);
  if (!index) return index.error();
  MessagePtr message(::nlmsg_alloc_simple(RTM_SETLINK, 0));
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = *index;
  ::nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
  nlattr* port = ::nla_nest_start(message.get(), IFLA_PROTINFO | NLA_F_NESTED);
  ::nla_put_u8(message.get(), IFLA_BRPORT_MODE, 1);
  ::nla_nest_end(message.get(), port);
  // nl_send_sync frees the message.
  return checked(::nl_send_sync(socket_, message.release()), "bridge port " + veth.name);
}

sdk::Result<void> Netlink::remove_link(const std::string& name) {
  const LinkPtr link(::rtnl_link_alloc());
  ::rtnl_link_set_name(link.get(), name.c_str());
  return checked(::rtnl_link_delete(socket_, link.get()), "removal of link " + name);
}

sdk::Result<void> Netlink::set_up(const std::string& name) {
  auto index = index_of(name);
  if (!index) return index.error();
  const LinkPtr link(::rtnl_link_alloc());
  const LinkPtr changes(::rtnl_link_alloc());
  ::rtnl_link_set_ifindex(link.get(), *index);
  ::rtnl_link_set_flags(changes.get(), IFF_UP);
  return checked(::rtnl_link_change(socket_, link.get(), changes.get(), 0), "link " + name + " up");
}

sdk::Result<void> Netlink::add_address(const std::string& link, std::uint32_t address,
                                       unsigned prefix) {
  return put_address(link, address, prefix, 0);
}

sdk::Result<void> Netlink::add_lone_address(const std::string& link, std::uint32_t address,
                                            unsigned prefix) {
  return put_address(link, address, prefix, IFA_F_NOPREFIXROUTE);
}

sdk::Result<void> Netlink::put_address(const std::string& link, std::uint32_t address,
                                       unsigned prefix, unsigned flags) {
  auto index = index_of(link);
  if (!index) return index.error();
  const RtnlAddrPtr entry(::rtnl_addr_alloc());
  ::rtnl_addr_set_ifindex(entry.get(), *index);
  ::rtnl_addr_set_local(entry.get(), ipv4(address, prefix).get());
  const std::uint32_t host_bits = prefix >= 32 ? 0 : ~std::uint32_t{0} >> prefix;
  if (flags != 0) ::rtnl_addr_set_flags(entry.get(), flags);
  ::rtnl_addr_set_broadcast(entry.get(), ipv4(address | host_bits, 32).get());
  const int code = ::rtnl_addr_add(socket_, entry.get(), 0);
  return code == -NLE_EXIST ? sdk::Result<void>() : checked(code, "address of " + link);
}

sdk::Result<void> Netlink::add_default_route(std::uint32_t gateway) {
  const RoutePtr route(::rtnl_route_alloc());
  ::rtnl_route_set_family(route.get(), AF_INET);
  ::rtnl_route_set_dst(route.get(), ipv4(0, 0).get());
  rtnl_nexthop* hop = ::rtnl_route_nh_alloc();
  ::rtnl_route_nh_set_gateway(hop, ipv4(gateway, 32).get());
  ::rtnl_route_add_nexthop(route.get(), hop);
  return checked(::rtnl_route_add(socket_, route.get(), NLM_F_CREATE), "default route");
}

namespace {

// Marks routes as Berth's in `ip route`, beside the metric; of the numbers that nobody has
// registered.
constexpr std::uint8_t kProtocol = 190;

}  // namespace

sdk::Result<void> Netlink::add_host_route(const HostRoute& route) {
  const RoutePtr entry(::rtnl_route_alloc());
  ::rtnl_route_set_family(entry.get(), AF_INET);
  ::rtnl_route_set_dst(entry.get(), ipv4(route.to, 32).get());
  ::rtnl_route_set_protocol(entry.get(), kProtocol);
  ::rtnl_route_set_priority(entry.get(), route.mark);
  if (route.gateway == 0) ::rtnl_route_set_scope(entry.get(), RT_SCOPE_LINK);
  rtnl_nexthop* hop = ::rtnl_route_nh_alloc();
  if (route.gateway != 0) ::rtnl_route_nh_set_gateway(hop, ipv4(route.gateway, 32).get());
  if (!route.link.empty()) {
    auto index = index_of(route.link);
    if (!index) {
      ::rtnl_route_nh_free(hop);
      return index.error();
    }
    ::rtnl_route_nh_set_ifindex(hop, *index);
  }
  ::rtnl_route_add_nexthop(entry.get(), hop);
  const int code = ::rtnl_route_add(socket_, entry.get(), NLM_F_CREATE | NLM_F_REPLACE);
  return checked(code, "route to " + print_address(route.to) +
                           (route.gateway != 0 ? " via " + print_address(route.gateway) : ""));
}

sdk::Result<void> Netlink::remove_host_route(const HostRoute& route) {
  const RoutePtr entry(::rtnl_route_alloc());
  ::rtnl_route_set_family(entry.get(), AF_INET);
  ::rtnl_route_set_dst(entry.get(), ipv4(route.to, 32).get());
  ::rtnl_route_set_protocol(entry.get(), kProtocol);
  ::rtnl_route_set_priority(entry.get(), route.mark);
  ::rtnl_route_set_scope(entry.get(), RT_SCOPE_NOWHERE);  // any
  const int code = ::rtnl_route_delete(socket_, entry.get(), 0);
  // ESRCH: there is none.
  return code == -NLE_OBJ_NOTFOUND
             ? sdk::Result<void>()
             : checked(code, "removal of the route to " + print_address(route.to));
}

sdk::Result<std::vector<Netlink::HostRoute>> Netlink::host_routes(std::uint32_t mark) {
  nl_cache* raw = nullptr;
  if (const int code = ::rtnl_route_alloc_cache(socket_, AF_INET, 0, &raw); code < 0) {
    return error_of(code, "routes");
  }
  const CachePtr cache(raw);
  std::vector<HostRoute> out;
  const auto host_order = [](nl_addr* address) {
    std::uint32_t wire = 0;
    std::copy_n(static_cast<const unsigned char*>(::nl_addr_get_binary_addr(address)), sizeof wire,
                reinterpret_cast<unsigned char*>(&wire));
    return ntohl(wire);
  };
  for (nl_object* one = ::nl_cache_get_first(raw); one; one = ::nl_cache_get_next(one)) {
    auto* route = reinterpret_cast<rtnl_route*>(one);
    nl_addr* to = ::rtnl_route_get_dst(route);
    rtnl_nexthop* hop = ::rtnl_route_nexthop_n(route, 0);
    nl_addr* gateway = hop ? ::rtnl_route_nh_get_gateway(hop) : nullptr;
    if (::rtnl_route_get_table(route) != RT_TABLE_MAIN ||
        ::rtnl_route_get_protocol(route) != kProtocol || ::rtnl_route_get_priority(route) != mark ||
        !to || ::nl_addr_get_len(to) != 4 || !gateway || ::nl_addr_get_len(gateway) != 4) {
      continue;
    }
    out.push_back({.to = host_order(to), .gateway = host_order(gateway), .link = {}, .mark = mark});
  }
  return out;
}

std::vector<std::string> Netlink::links() {
  nl_cache* raw = nullptr;
  if (::rtnl_link_alloc_cache(socket_, AF_UNSPEC, &raw) < 0) return {};
  const CachePtr cache(raw);
  std::vector<std::string> names;
  for (nl_object* one = ::nl_cache_get_first(raw); one; one = ::nl_cache_get_next(one)) {
    names.emplace_back(::rtnl_link_get_name(reinterpret_cast<rtnl_link*>(one)));
  }
  return names;
}

sdk::Result<std::vector<Netlink::Route>> Netlink::routes() {
  nl_cache* raw = nullptr;
  if (const int code = ::rtnl_route_alloc_cache(socket_, AF_INET, 0, &raw); code < 0) {
    return error_of(code, "routes");
  }
  const CachePtr cache(raw);
  std::vector<Route> out;
  for (nl_object* one = ::nl_cache_get_first(raw); one; one = ::nl_cache_get_next(one)) {
    auto* route = reinterpret_cast<rtnl_route*>(one);
    nl_addr* to = ::rtnl_route_get_dst(route);
    if (::rtnl_route_get_table(route) != RT_TABLE_MAIN || !to || ::nl_addr_get_len(to) != 4 ||
        ::nl_addr_get_prefixlen(to) == 0) {
      continue;
    }
    std::uint32_t wire = 0;
    std::copy_n(static_cast<const unsigned char*>(::nl_addr_get_binary_addr(to)), sizeof wire,
                reinterpret_cast<unsigned char*>(&wire));
    Route entry;
    entry.to = {ntohl(wire), ::nl_addr_get_prefixlen(to)};
    char name[IF_NAMESIZE] = {};
    rtnl_nexthop* hop = ::rtnl_route_nexthop_n(route, 0);
    if (hop && ::if_indextoname(static_cast<unsigned>(::rtnl_route_nh_get_ifindex(hop)), name))
      entry.link = name;
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace berth::runtime
