// SPDX-License-Identifier: Apache-2.0
// Who this agent is: its key and certificate, how it gets them, keeps them, has them renewed, and
// loses them.
#include <utility>

#include "sdk/fleet/agent_certificate.hpp"
#include "sdk/fleet/client_impl.hpp"
#include "sdk/fleet/durable_file.hpp"

namespace berth::fleet {
namespace {

constexpr std::uint32_t kProtocol = 1;

bool is_identity(const v1::StoredIdentity& identity) {
  return is_hex(identity.node_id(), 32) && is_hex(identity.server_fingerprint(), 64) &&
         belongs_together(identity.certificate(), identity.private_key(), identity.node_id());
}

}  // namespace

sdk::Result<void> Client::Impl::open() {
  if (!config_.join_token.empty()) {
    auto token = JoinToken::parse(config_.join_token);
    if (!token) return token.error();
    token_ = *token;
  }
  auto bytes = read_small_file(config_.identity_file);
  if (!bytes && bytes.error().status != BERTH_NOT_FOUND) return bytes.error();
  if (bytes) {
    const std::string path = config_.identity_file.string();
    const bool parsed = identity_.ParseFromString(*bytes);
    if (parsed && identity_.version() > 1)
      return sdk::fail(BERTH_INVALID, path + " was written by a newer version of Berth");
    if (!parsed || !is_identity(identity_)) {
      return sdk::fail(BERTH_INVALID,
                       path + " does not hold an agent's identity; remove it to join anew");
    }
    // The operator has brought the token of another fleet.
    if (!token_.secret.empty() && token_.fingerprint != identity_.server_fingerprint())
      identity_.Clear();
  }
  if (identity_.node_id().empty() && token_.secret.empty()) {
    return sdk::fail(BERTH_INVALID, "this agent has not joined yet and has no join token");
  }
  fingerprint_ = identity_.node_id().empty() ? token_.fingerprint : identity_.server_fingerprint();
  return {};
}

void Client::Impl::join() {
  auto made = make_certificate_request(expired_ ? identity_.private_key() : std::string());
  if (!made) return fault(made.error().message);
  new_key_ = std::move(made->key);
  v1::Frame frame;
  auto& join = *frame.mutable_join();
  join.set_protocol(kProtocol);
  join.set_secret(token_.secret);
  join.set_certificate_request(made->request);
  if (expired_) join.set_node_id(identity_.node_id());
  connection_->send(frame);
}

void Client::Impl::joined(const v1::Joined& joined) {
  v1::StoredIdentity identity;
  identity.set_version(1);
  identity.set_node_id(joined.node_id());
  identity.set_private_key(new_key_);
  identity.set_certificate(joined.certificate());
  identity.set_server_fingerprint(fingerprint_);
  if (!is_identity(identity) || (expired_ && joined.node_id() != identity_.node_id())) {
    return fault("an identity that is not one");
  }
  if (!keep(identity)) return fault("the identity cannot be stored");
  expired_ = false;
  dial_again_ = true;
  log(BERTH_LOG_INFO, "joined " + config_.server.text() + " as node " + identity.node_id());
  fault("it has joined");
}

sdk::Result<void> Client::Impl::keep(const v1::StoredIdentity& identity) {
  if (auto written = write_durably(config_.identity_file, identity.SerializeAsString(), 0600);
      !written) {
    log(BERTH_LOG_ERROR, written.error().message);
    return written;
  }
  const std::lock_guard lock(mutex_);
  identity_ = identity;
  return {};
}

void Client::Impl::renew() {
  auto made = make_certificate_request();
  if (!made) return log(BERTH_LOG_ERROR, made.error().message);
  new_key_ = std::move(made->key);
  v1::Frame frame;
  frame.mutable_renewal()->set_certificate_request(made->request);
  connection_->send(frame);
}

// Where it cannot be stored the old one goes on, and the server asks again.
void Client::Impl::renewed(const v1::Certificate& certificate) {
  v1::StoredIdentity identity = identity_;
  identity.set_private_key(std::exchange(new_key_, {}));
  identity.set_certificate(certificate.certificate());
  if (!is_identity(identity)) return fault("a certificate that is not one");
  if (keep(identity)) log(BERTH_LOG_INFO, "has a new certificate");
}

void Client::Impl::goodbye(const v1::Goodbye& goodbye) {
  switch (goodbye.code()) {
    case v1::Goodbye::CODE_BAD_TOKEN:
    case v1::Goodbye::CODE_UNKNOWN_IDENTITY:
    case v1::Goodbye::CODE_IN_USE:
    case v1::Goodbye::CODE_INVALID_REGISTRATION:
      refused_ = true;
      break;
    default:
      break;
  }
  std::string why =
      "the server says good-bye: " + (goodbye.message().empty() ? "it ends" : goodbye.message());
  if (goodbye.code() == v1::Goodbye::CODE_UNKNOWN_IDENTITY) {
    why += "; to join anew, stop this agent, remove " + config_.identity_file.string() +
           " and start it with a join token";
  }
  if (goodbye.code() == v1::Goodbye::CODE_CERTIFICATE_EXPIRED) {
    expired_ = !token_.secret.empty();
    refused_ = !expired_;
    if (refused_)
      why += "; start this agent with the fleet's join token, and it comes back as the same node";
  }
  if (goodbye.code() == v1::Goodbye::CODE_DEREGISTERED && !identity_.node_id().empty()) {
    v1::StoredIdentity identity = identity_;
    identity.set_removed(true);
    // Also where that cannot be stored: the next process would be told again.
    if (!keep(identity)) {
      const std::lock_guard lock(mutex_);
      identity_ = identity;
    }
  }
  connection_->close(why);
}

void Client::Impl::let_go() {
  log(BERTH_LOG_ERROR, "this host was removed from the fleet at " + config_.server.text() +
                           ", where it was node " + identity_.node_id() +
                           "; to join anew, remove " + config_.identity_file.string() +
                           " and start the agent again with a join token");
  if (events_.removed) events_.removed(identity_.node_id());
}

}  // namespace berth::fleet
