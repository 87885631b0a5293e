// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/peer_book.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

namespace berth::fleet {
namespace {

constexpr int kMostGroups = 5;
constexpr std::size_t kMostInterfaces = 16'384;  // of one host

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_group(const std::string& id) {
  return !id.empty() && id.size() <= 100 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

bool is_interface(const v1::Interface& one) {
  return is_ipv4(one.address()) && one.groups_size() <= kMostGroups &&
         std::all_of(one.groups().begin(), one.groups().end(), is_group);
}

}  // namespace

std::string reachable_address(const std::string& peer) {
  std::string host = peer.substr(0, peer.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  constexpr std::string_view kMapped = "::ffff:";
  if (host.starts_with(kMapped)) host.erase(0, kMapped.size());
  return is_ipv4(host) && !host.starts_with("127.") ? host : std::string();
}

bool PeerBook::is_granted(const std::string& node, const v1::Interface& claim) const {
  const auto at = grants_.find(claim.address());
  if (at == grants_.end() || at->second.node_id != node) return false;
  const auto& groups = at->second.interface.groups();
  return std::is_permutation(groups.begin(), groups.end(), claim.groups().begin(),
                             claim.groups().end());
}

bool PeerBook::settle(const std::string& node, const std::string& address) {
  const auto known = hosts_.find(node);
  if (known == hosts_.end()) return false;
  Host& host = known->second;
  const auto claim = host.claimed.find(address);
  if (claim == host.claimed.end() || !is_granted(node, claim->second)) {
    if (host.interfaces.erase(address) > 0) changed_[node].addresses.insert(address);
    return false;
  }
  v1::Interface& mine = host.interfaces[address];
  if (mine.SerializeAsString() != claim->second.SerializeAsString()) {
    mine = claim->second;
    changed_[node].addresses.insert(address);
  }
  return true;
}

void PeerBook::grant(const InterfaceGrant& grant) {
  InterfaceGrant& mine = grants_[grant.interface.address()];
  const std::string before = std::exchange(mine, grant).node_id;
  if (before != grant.node_id) settle(before, grant.interface.address());
  settle(grant.node_id, grant.interface.address());
}

void PeerBook::revoke(const std::string& address, const std::string& task_id) {
  const auto at = grants_.find(address);
  if (at == grants_.end() || at->second.task_id != task_id) return;
  const std::string node = at->second.node_id;
  grants_.erase(at);
  settle(node, address);
}

sdk::Result<std::vector<std::string>> PeerBook::take(const std::string& node,
                                                     const v1::Interfaces& news,
                                                     const std::string& seen_at) {
  const bool good = std::all_of(news.added().begin(), news.added().end(), is_interface) &&
                    (news.host_address().empty() || is_ipv4(news.host_address()));
  if (!good) return sdk::fail(BERTH_INVALID, "interfaces that are none");
  const auto known = hosts_.find(node);
  const std::size_t before =
      known == hosts_.end() || news.snapshot() ? 0 : known->second.claimed.size();
  if (before + static_cast<std::size_t>(news.added_size()) > kMostInterfaces) {
    return sdk::fail(BERTH_INVALID, "more interfaces than one host may have");
  }
  const bool is_new = known == hosts_.end();
  Host& host = hosts_[node];
  const std::string address =
      news.host_address().empty() ? reachable_address(seen_at) : news.host_address();
  if (is_new || host.address != address) changed_[node].whole = true;
  host.address = address;
  std::set<std::string> touched(news.removed().begin(), news.removed().end());
  if (news.snapshot()) {
    for (const auto& [at, one] : host.claimed) touched.insert(at);
    host.claimed.clear();
  }
  for (const std::string& at : news.removed()) host.claimed.erase(at);
  std::vector<std::string> refused;
  for (const v1::Interface& one : news.added()) {
    host.claimed[one.address()] = one;
    touched.erase(one.address());
    if (!settle(node, one.address())) refused.push_back(one.address());
  }
  for (const std::string& at : touched) settle(node, at);
  return refused;
}

void PeerBook::forget(const std::string& node) {
  const auto at = hosts_.find(node);
  if (at == hosts_.end()) return;
  hosts_.erase(at);
  changed_[node].whole = true;
}

v1::Peers PeerBook::all_but(const std::string& node) const {
  v1::Peers all;
  all.set_snapshot(true);
  for (const auto& [id, host] : hosts_) {
    if (id == node) continue;
    v1::Peer& peer = *all.add_peers();
    peer.set_node_id(id);
    peer.set_host_address(host.address);
    peer.set_whole(true);
    for (const auto& [address, one] : host.interfaces) *peer.add_added() = one;
  }
  return all;
}

std::map<std::string, v1::Peer> PeerBook::changes() {
  std::map<std::string, v1::Peer> out;
  for (const auto& [node, changed] : std::exchange(changed_, {})) {
    const auto at = hosts_.find(node);
    v1::Peer& peer = out[node];
    peer.set_node_id(node);
    peer.set_whole(changed.whole);
    if (at == hosts_.end()) continue;
    peer.set_host_address(at->second.address);
    if (changed.whole) {
      for (const auto& [address, one] : at->second.interfaces) *peer.add_added() = one;
      continue;
    }
    for (const std::string& address : changed.addresses) {
      const auto one = at->second.interfaces.find(address);
      if (one == at->second.interfaces.end()) {
        peer.add_removed(address);
      } else {
        *peer.add_added() = one->second;
      }
    }
  }
  return out;
}

}  // namespace berth::fleet
