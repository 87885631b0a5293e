// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/conntrack.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

namespace berth::runtime {
namespace {

struct SocketFree {
  void operator()(nl_sock* socket) const { ::nl_socket_free(socket); }
};
using Socket = std::unique_ptr<nl_sock, SocketFree>;

constexpr int type_of(int message) {
  return NFNL_SUBSYS_CTNETLINK << 8 | message;
}
constexpr nfgenmsg kIpv4{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};

sdk::Error error_of(int code) {
  return sdk::fail(BERTH_INTERNAL, std::string("connection tracking: ") + ::nl_geterror(code));
}

// One direction of a flow, in the bytes' order of the wire.
struct Tuple {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint16_t to_port = 0;
};

// Nothing where it is not of UDP over IPv4.
std::optional<Tuple> read_tuple(nlattr* attribute) {
  std::array<nlattr*, CTA_TUPLE_MAX + 1> tuple{};
  std::array<nlattr*, CTA_IP_MAX + 1> ip{};
  std::array<nlattr*, CTA_PROTO_MAX + 1> protocol{};
  if (!attribute || ::nla_parse_nested(tuple.data(), CTA_TUPLE_MAX, attribute, nullptr) < 0 ||
      !tuple[CTA_TUPLE_IP] || !tuple[CTA_TUPLE_PROTO] ||
      ::nla_parse_nested(ip.data(), CTA_IP_MAX, tuple[CTA_TUPLE_IP], nullptr) < 0 ||
      ::nla_parse_nested(protocol.data(), CTA_PROTO_MAX, tuple[CTA_TUPLE_PROTO], nullptr) < 0 ||
      !ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST] || !protocol[CTA_PROTO_NUM] ||
      ::nla_get_u8(protocol[CTA_PROTO_NUM]) != IPPROTO_UDP || !protocol[CTA_PROTO_DST_PORT]) {
    return std::nullopt;
  }
  return Tuple{::nla_get_u32(ip[CTA_IP_V4_SRC]), ::nla_get_u32(ip[CTA_IP_V4_DST]),
               ::nla_get_u16(protocol[CTA_PROTO_DST_PORT])};
}

struct Search {
  const UdpFlows& flows;
  std::uint32_t address = 0;
  std::vector<std::string> found;  // the original tuples, as the kernel wrote them
};

bool is_wanted(const Search& search, const Tuple& there, const Tuple& back, std::uint32_t status) {
  const auto& ports = search.flows.host_ports;
  if (std::find(ports.begin(), ports.end(), ntohs(there.to_port)) == ports.end()) return false;
  if (search.address != 0) return back.from == search.address;
  return back.from == there.to && (status & IPS_SEEN_REPLY) == 0;
}

int look_at(nl_msg* message, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  std::array<nlattr*, CTA_MAX + 1> flow{};
  if (::nlmsg_parse(::nlmsg_hdr(message), sizeof(nfgenmsg), flow.data(), CTA_MAX, nullptr) < 0)
    return NL_OK;
  const auto there = read_tuple(flow[CTA_TUPLE_ORIG]);
  const auto back = read_tuple(flow[CTA_TUPLE_REPLY]);
  const std::uint32_t status = flow[CTA_STATUS] ? ntohl(::nla_get_u32(flow[CTA_STATUS])) : 0;
  if (!there || !back || !is_wanted(search, *there, *back, status)) return NL_OK;
  search.found.emplace_back(static_cast<const char*>(::nla_data(flow[CTA_TUPLE_ORIG])),
                            static_cast<std::size_t>(::nla_len(flow[CTA_TUPLE_ORIG])));
  return NL_OK;
}

void forget(nl_sock* socket, const std::string& tuple) {
  nl_msg* message = ::nlmsg_alloc_simple(type_of(IPCTNL_MSG_CT_DELETE), 0);
  nfgenmsg header = kIpv4;
  ::nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
  ::nla_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, static_cast<int>(tuple.size()), tuple.data());
  // It may have ended by itself meanwhile. nl_send_sync frees the message.
  (void)::nl_send_sync(socket, message);
}

}  // namespace

sdk::Result<void> forget_flows(const UdpFlows& flows) {
  if (flows.host_ports.empty()) return {};
  const Socket socket(::nl_socket_alloc());
  if (!socket) return error_of(-NLE_NOMEM);
  if (const int code = ::nl_connect(socket.get(), NETLINK_NETFILTER); code < 0)
    return error_of(code);
  Search search{.flows = flows, .address = 0, .found = {}};
  if (!flows.address.empty() && ::inet_pton(AF_INET, flows.address.c_str(), &search.address) != 1) {
    return sdk::fail(BERTH_INVALID, "no address: " + flows.address, "address");
  }
  ::nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, look_at, &search);
  nfgenmsg header = kIpv4;
  int code = ::nl_send_simple(socket.get(), type_of(IPCTNL_MSG_CT_GET), NLM_F_DUMP, &header,
                              sizeof header);
  if (code >= 0) code = ::nl_recvmsgs_default(socket.get());
  if (code < 0) return error_of(code);
  for (const std::string& tuple : search.found) forget(socket.get(), tuple);
  return {};
}

}  // namespace berth::runtime
