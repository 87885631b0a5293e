// SPDX-License-Identifier: Apache-2.0
// Who an agent is: certificates issued, shown, renewed and refused.
#include <algorithm>
#include <utility>
#include <vector>

#include "sdk/fleet/server_impl.hpp"

namespace berth::fleet {
namespace {

constexpr std::uint32_t kProtocol = 1;

constexpr std::size_t kKeysKept = 3;

bool has_key(const v1::StoredNode& node, const std::string& key_sha256) {
  return std::any_of(node.key_sha256().begin(), node.key_sha256().end(),
                     [&](const std::string& known) { return known == key_sha256; });
}

}  // namespace

std::int64_t system_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Server::Impl::join(Session& session, const v1::Join& join) {
  if (join.protocol() != kProtocol)
    return refuse(session, v1::Goodbye::CODE_BROKEN, "this server speaks protocol 1");
  if (!equal_secrets(join.secret(), token_.secret)) {
    return refuse(session, v1::Goodbye::CODE_BAD_TOKEN,
                  "that is not the secret of this fleet's join token");
  }
  const auto key = Authority::key_of(join.certificate_request());
  if (!key) return refuse(session, v1::Goodbye::CODE_BROKEN, key.error().message);
  v1::StoredNode stored;
  if (join.node_id().empty()) {
    if (store_.nodes().size() >= config_.max_nodes)
      return refuse(session, v1::Goodbye::CODE_BAD_TOKEN, "the fleet is full");
    stored.set_version(1);
    stored.set_id(random_hex(16));
    stored.set_joined_at_ms(config_.now_ms());
  } else {
    // Back after its certificate has expired: the token lets it in, its key says who it is.
    if (store_.was_removed(join.node_id())) {
      return refuse(session, v1::Goodbye::CODE_DEREGISTERED,
                    "the node was removed from this fleet");
    }
    const auto known = store_.nodes().find(join.node_id());
    if (known == store_.nodes().end() || !has_key(known->second, *key)) {
      return refuse(session, v1::Goodbye::CODE_UNKNOWN_IDENTITY, "no node has this identity here");
    }
    stored = known->second;
  }
  const auto issued = issue(stored, join.certificate_request(), {});
  if (!issued) {
    log(BERTH_LOG_ERROR, "a node cannot join: " + issued.error().message);
    return session.connection->close("its identity cannot be stored");
  }
  v1::Frame answer;
  answer.mutable_joined()->set_node_id(stored.id());
  answer.mutable_joined()->set_certificate(issued->certificate);
  log(BERTH_LOG_INFO, "node " + stored.id() + " joined from " + session.connection->peer());
  session.joined = true;
  session.connection->send(answer);
  session.connection->close("it has joined, and comes back with its certificate");
}

sdk::Result<Authority::Issued> Server::Impl::issue(v1::StoredNode& node, const std::string& request,
                                                   const std::string& session_key) {
  const std::int64_t now = config_.now_ms();
  auto issued =
      authority_->issue(request, node.id(), now, now + config_.certificate_lifetime.count());
  if (!issued) return issued.error();
  // Which of these the agent has, only its next hello tells: it may die before it has stored the
  // new one.
  std::vector<std::string> keys{issued->about.key_sha256};
  if (!session_key.empty()) keys.push_back(session_key);
  for (const auto& key : node.key_sha256()) {
    if (keys.size() < kKeysKept && std::find(keys.begin(), keys.end(), key) == keys.end())
      keys.push_back(key);
  }
  node.mutable_key_sha256()->Assign(keys.begin(), keys.end());
  node.set_certificate_expires_ms(issued->about.expires_ms);
  if (auto put = store_.put(node); !put) return put.error();
  return issued;
}

void Server::Impl::hello(Session& session, const v1::Hello& hello) {
  if (hello.protocol() != kProtocol || !is_hex(hello.incarnation(), 32)) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "this server speaks protocol 1");
  }
  const auto shown = session.connection->peer_certificate();
  if (!shown)
    return refuse(session, v1::Goodbye::CODE_UNKNOWN_IDENTITY, "it shows no certificate of a node");
  const auto stored = store_.nodes().find(shown->node_id);
  if (stored == store_.nodes().end()) {
    if (store_.was_removed(shown->node_id)) {
      return refuse(session, v1::Goodbye::CODE_DEREGISTERED,
                    "the node was removed from this fleet");
    }
    return refuse(session, v1::Goodbye::CODE_UNKNOWN_IDENTITY, "no node has this identity here");
  }
  if (config_.now_ms() >= shown->expires_ms) {
    return refuse(session, v1::Goodbye::CODE_CERTIFICATE_EXPIRED, "its certificate has expired");
  }
  if (auto checked = check_registration(hello.registration()); !checked) {
    return refuse(session, v1::Goodbye::CODE_INVALID_REGISTRATION, checked.error().message);
  }
  session.node_id = shown->node_id;
  session.incarnation = hello.incarnation();
  plan_renewal(session, shown->expires_ms);
  if (Session* owner = owner_of(session.node_id)) {
    if (owner->incarnation != session.incarnation) {
      session.waiting_registration = hello.registration();
      return challenge(*owner, session);
    }
    if (Session* other = find(std::exchange(owner->challenger, 0))) {
      refuse(*other, v1::Goodbye::CODE_IN_USE, "the agent with this identity has dialled again");
    }
    refuse(*owner, v1::Goodbye::CODE_REPLACED, "the same agent has dialled again");
  }
  admit(session, hello.registration());
}

// Also where the operator has made lifetimes shorter since.
void Server::Impl::plan_renewal(Session& session, std::int64_t expires_ms) const {
  const std::int64_t lifetime = config_.certificate_lifetime.count();
  session.certificate_expires_ms = expires_ms;
  session.renew_at_ms =
      std::min(expires_ms - lifetime / 3, config_.now_ms() + lifetime - lifetime / 3);
}

bool Server::Impl::look_at_certificate(Session& session) {
  const std::int64_t now = config_.now_ms();
  if (now >= session.certificate_expires_ms) {
    refuse(session, v1::Goodbye::CODE_CERTIFICATE_EXPIRED, "its certificate has expired");
    return false;
  }
  if (now < session.renew_at_ms) return true;
  // Where it does not answer (it may be unable to store a new one), it is asked again.
  session.renew_at_ms = now + config_.certificate_lifetime.count() / 12;
  session.asked_to_renew = true;
  v1::Frame frame;
  frame.mutable_renew();
  session.connection->send(frame);
  return true;
}

void Server::Impl::renewal(Session& session, const v1::Renewal& renewal) {
  if (!std::exchange(session.asked_to_renew, false)) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "it asks for a certificate that is not due");
  }
  v1::StoredNode stored = store_.nodes().at(session.node_id);
  const auto issued = issue(stored, renewal.certificate_request(),
                            session.connection->peer_certificate()->key_sha256);
  if (!issued && issued.error().status == BERTH_INVALID) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, issued.error().message);
  }
  if (!issued) {
    return log(BERTH_LOG_ERROR,
               "node " + session.node_id + " gets no new certificate: " + issued.error().message);
  }
  plan_renewal(session, issued->about.expires_ms);
  v1::Frame frame;
  frame.mutable_certificate()->set_certificate(issued->certificate);
  session.connection->send(frame);
  log(BERTH_LOG_INFO, "node " + session.node_id + " has a new certificate");
  if (events_.node) events_.node(node_of(stored));
}

}  // namespace berth::fleet
