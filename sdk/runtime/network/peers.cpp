// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/peers.hpp"

#include <algorithm>

namespace berth::runtime {

void Peers::drop_node(const std::string& node) {
  std::erase_if(interfaces_, [&](const auto& one) { return one.second.node == node; });
}

void Peers::take(const PeerNews& news) {
  if (news.snapshot) {
    heard_ = true;
    silent_ = news.silent;
    std::set<std::string> named = news.silent;
    for (const auto& host : news.hosts) named.insert(host.node);
    std::erase_if(interfaces_, [&](const auto& one) { return !named.contains(one.second.node); });
    std::erase_if(hosts_, [&](const auto& one) { return !named.contains(one.first); });
  }
  for (const auto& host : news.hosts) {
    silent_.erase(host.node);
    if (host.whole || news.snapshot) drop_node(host.node);
    if (host.whole && host.added.empty() && host.address.empty()) {
      hosts_.erase(host.node);
      continue;
    }
    hosts_[host.node] = host.address;
    for (const std::string& address : host.removed) {
      const auto at = interfaces_.find(address);
      if (at != interfaces_.end() && at->second.node == host.node) interfaces_.erase(at);
    }
    for (const PeerInterface& one : host.added) interfaces_[one.address] = {host.node, one.groups};
  }
}

std::string Peers::host_of(const std::string& node) const {
  const auto at = hosts_.find(node);
  return at == hosts_.end() ? std::string() : at->second;
}

}  // namespace berth::runtime
