// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/peers.hpp"

#include <algorithm>
#include <sstream>

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

std::string Peers::print() const {
  std::string text;
  for (const auto& [node, address] : hosts_) {
    if (!address.empty()) text += "host " + node + " " + address + "\n";
  }
  for (const auto& [address, behind] : interfaces_) {
    text += "interface " + address + " " + behind.node;
    for (const std::string& group : behind.groups) text += " " + group;
    text += "\n";
  }
  return text;
}

Peers Peers::read(const std::string& text) {
  Peers peers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string first;
    std::string second;
    if (!(words >> kind >> first >> second)) continue;
    if (kind == "host") peers.hosts_[first] = second;
    if (kind != "interface") continue;
    Behind& behind = peers.interfaces_[first];
    behind.node = second;
    for (std::string group; words >> group;) behind.groups.push_back(group);
  }
  return peers;
}

std::string Peers::host_of(const std::string& node) const {
  const auto at = hosts_.find(node);
  return at == hosts_.end() ? std::string() : at->second;
}

}  // namespace berth::runtime
