// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "sdk/fleet/server_impl.hpp"

namespace berth::fleet {
namespace {

// Many tasks start at once: what they change is told together.
constexpr std::chrono::milliseconds kGather{20};

}  // namespace

void Server::Impl::greet(Session& session) {
  v1::Frame frame;
  frame.mutable_peers()->set_snapshot(true);
  if (grants_known_) *frame.mutable_peers() = peers_.all_but(session.node_id);
  for (const auto& [id, stored] : store_.nodes()) {
    if (id != session.node_id && stored.registered_at_ms() != 0 && !(grants_known_ && peers_.knows(id)))
      frame.mutable_peers()->add_silent(id);
  }
  session.connection->send(frame);
}

void Server::Impl::interfaces(Session& session, const v1::Interfaces& news) {
  auto taken = peers_.take(session.node_id, news, session.connection->peer());
  if (!taken) return refuse(session, v1::Goodbye::CODE_BROKEN, taken.error().message);
  for (const std::string& address : *taken) {
    // After a restart of this side grants may come later than claims.
    log(BERTH_LOG_INFO, "node " + session.node_id + " says that " + address +
                            " is on its host, which no task there is known to have: not taken yet");
  }
  tell_peers_later();
}

void Server::Impl::grant_interfaces(std::vector<InterfaceGrant> grants) {
  loop_.post([this, grants = std::move(grants)] {
    for (const InterfaceGrant& grant : grants) peers_.grant(grant);
    tell_peers_later();
  });
}

void Server::Impl::grants_are_known() {
  loop_.post([this] {
    if (std::exchange(grants_known_, true)) return;
    static_cast<void>(peers_.changes());  // everybody hears of everything now
    for (const auto& [node, serial] : live_) {
      if (Session* const session = find(serial)) greet(*session);
    }
  });
}

void Server::Impl::revoke_interface(const std::string& address, const std::string& task_id) {
  loop_.post([this, address, task_id] {
    peers_.revoke(address, task_id);
    tell_peers_later();
  });
}

void Server::Impl::forget_peer(const std::string& node_id) {
  peers_.forget(node_id);
  tell_peers_later();
}

void Server::Impl::tell_peers_later() {
  if (peers_due_ || ending_ || !grants_known_) return;
  peers_due_ = true;
  peers_timer_ = loop_.after(kGather, [this] {
    peers_due_ = false;
    tell_peers();
  });
}

void Server::Impl::tell_peers() {
  const auto changes = peers_.changes();
  if (changes.empty()) return;
  for (const auto& [node, serial] : live_) {
    v1::Frame frame;
    for (const auto& [changed, peer] : changes) {
      if (changed != node) *frame.mutable_peers()->add_peers() = peer;
    }
    Session* session = find(serial);
    if (session && frame.has_peers()) session->connection->send(frame);
  }
}

}  // namespace berth::fleet
