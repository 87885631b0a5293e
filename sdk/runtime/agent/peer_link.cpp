// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/peer_link.hpp"

#include <arpa/inet.h>

#include <utility>

#include "sdk/fleet/transport.hpp"
#include "sdk/runtime/network/doors.hpp"

namespace berth::runtime {

PeerNews peer_news(const fleet::v1::Peers& peers) {
  PeerNews news;
  news.snapshot = peers.snapshot();
  news.silent.insert(peers.silent().begin(), peers.silent().end());
  for (const fleet::v1::Peer& peer : peers.peers()) {
    PeerNews::Host& host = news.hosts.emplace_back();
    host.node = peer.node_id();
    host.address = peer.host_address();
    host.whole = peer.whole();
    host.removed.assign(peer.removed().begin(), peer.removed().end());
    for (const fleet::v1::Interface& one : peer.added()) {
      host.added.push_back(
          {.address = one.address(), .groups = {one.groups().begin(), one.groups().end()}});
    }
  }
  return news;
}

InterfaceListener interface_listener(fleet::Client& client) {
  return [&client](const std::string& address, const std::vector<std::string>& groups, bool up) {
    if (!up) return client.drop_interface(address);
    fleet::v1::Interface interface;
    interface.set_address(address);
    interface.mutable_groups()->Assign(groups.begin(), groups.end());
    client.put_interface(std::move(interface));
  };
}

void close_doors(Tasks& tasks, const std::string& server, const std::vector<std::uint16_t>& ports) {
  const auto endpoint = fleet::Endpoint::parse(server);
  if (!endpoint) return;
  std::string host = endpoint->host;
  constexpr std::string_view kMapped = "::ffff:";
  if (host.starts_with(kMapped)) host.erase(0, kMapped.size());
  in_addr parsed{};
  if (::inet_pton(AF_INET, host.c_str(), &parsed) != 1) return;
  Doors doors{.address = host, .ports = {ports.begin(), ports.end()}, .here = is_of_this_host(host)};
  doors.ports.insert(endpoint->port);
  tasks.close_doors(doors);
}

}  // namespace berth::runtime
