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

void PeerBook::drop(const std::string& node, Host& host, const std::string& address) {
  if (host.interfaces.erase(address) == 0) return;
  owner_.erase(address);
  changed_[node].addresses.insert(address);
}

sdk::Result<std::vector<std::string>> PeerBook::take(const std::string& node,
                                                     const v1::Interfaces& news,
                                                     const std::string& seen_at) {
  const bool good = std::all_of(news.added().begin(), news.added().end(), is_interface) &&
                    (news.host_address().empty() || is_ipv4(news.host_address()));
  if (!good) return sdk::fail(BERTH_INVALID, "interfaces that are none");
  const auto known = hosts_.find(node);
  const std::size_t before =
      known == hosts_.end() || news.snapshot() ? 0 : known->second.interfaces.size();
  if (before + static_cast<std::size_t>(news.added_size()) > kMostInterfaces) {
    return sdk::fail(BERTH_INVALID, "more interfaces than one host may have");
  }
  const bool is_new = known == hosts_.end();
  Host& host = hosts_[node];
  const std::string address =
      news.host_address().empty() ? reachable_address(seen_at) : news.host_address();
  if (is_new || host.address != address) changed_[node].whole = true;
  host.address = address;
  if (news.snapshot()) {
    std::set<std::string> there;
    for (const auto& one : news.added()) there.insert(one.address());
    std::vector<std::string> gone;
    for (const auto& [at, one] : host.interfaces) {
      if (!there.contains(at)) gone.push_back(at);
    }
    for (const std::string& at : gone) drop(node, host, at);
  }
  for (const std::string& at : news.removed()) drop(node, host, at);
  std::vector<std::string> refused;
  for (const v1::Interface& one : news.added()) {
    if (owner_.try_emplace(one.address(), node).first->second != node) {
      refused.push_back(one.address());
      continue;
    }
    v1::Interface& mine = host.interfaces[one.address()];
    if (mine.SerializeAsString() == one.SerializeAsString()) continue;
    mine = one;
    changed_[node].addresses.insert(one.address());
  }
  return refused;
}

void PeerBook::forget(const std::string& node) {
  const auto at = hosts_.find(node);
  if (at == hosts_.end()) return;
  for (const auto& [address, one] : at->second.interfaces) owner_.erase(address);
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
