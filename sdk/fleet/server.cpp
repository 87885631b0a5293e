// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/server.hpp"

#include <algorithm>
#include <utility>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/frame_name.hpp"
#include "sdk/fleet/server_impl.hpp"

namespace berth::fleet {
namespace {

constexpr int kStrangerLinesAMinute = 60;
constexpr std::chrono::milliseconds kBetweenRegistrations{1'000};

// "192.0.2.7:3456", "fe80::1:3456" without the port.
std::string host_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

std::uint32_t to_ms(std::chrono::milliseconds time) { return static_cast<std::uint32_t>(time.count()); }

}  // namespace

Server::Impl::Impl(ServerConfig config, ServerEvents events) : config_(std::move(config)), events_(std::move(events)) {}

Server::Impl::~Impl() {
  loop_.run([this] {
    ending_ = true;
    listener_.reset();
    peers_timer_.reset();
    while (!calls_.empty()) fail_call(calls_.begin()->first, BERTH_CANCELLED, "the fleet server ends");
    for (auto& [serial, session] : sessions_) {
      session.timer.reset();
      session.probe.reset();
      session.registration_timer.reset();
      v1::Frame bye;
      bye.mutable_goodbye()->set_code(v1::Goodbye::CODE_LEAVING);
      session.connection->send(bye);
      session.connection->close("the server ends");
    }
  });
  // Good-byes take at most the transport's linger.
  std::unique_lock lock(mutex_);
  all_closed_.wait_for(lock, std::chrono::milliseconds(1'500), [this] { return sessions_.empty(); });
  lock.unlock();
  loop_.stop();
}

sdk::Result<void> Server::Impl::open() {
  if (auto made = make_private_directory(config_.data_dir); !made) return made;
  auto credentials = load_or_make_credentials(config_.data_dir / "tls");
  if (!credentials) return credentials.error();
  token_.fingerprint = credentials->fingerprint;
  auto authority = Authority::open(credentials->ca_pem, credentials->ca_key_pem);
  if (!authority) return authority.error();
  authority_.emplace(std::move(*authority));
  if (auto read = read_token(); !read) return read;
  auto store = NodeStore::open(config_.data_dir / "nodes", config_.now_ms(), [this](const std::string& id, const sdk::Error& error) {
    loop_.post([this, id, error] {
      log(BERTH_LOG_ERROR, "the registration of node " + id + " cannot be stored yet: " + error.message);
    });
  });
  if (!store) return store.error();
  store_ = std::move(*store);
  auto listener = Listener::open(loop_,
                                 {.endpoint = config_.listen,
                                  .chain_pem = credentials->chain_pem,
                                  .key_pem = credentials->key_pem,
                                  .ca_pem = credentials->ca_pem,
                                  .connection = {.name = "fleet"}},
                                 [this](std::shared_ptr<Connection> connection) { accepted(std::move(connection)); });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

// The secret stays as long as its file: an operator who removes the file and restarts has a new one.
sdk::Result<void> Server::Impl::read_token() {
  const auto path = config_.data_dir / "join-token";
  auto text = read_small_file(path);
  if (text) {
    auto token = JoinToken::parse(*text);
    if (!token) return sdk::fail(BERTH_INVALID, path.string() + ": " + token.error().message);
    token_.secret = token->secret;
    if (token->fingerprint == token_.fingerprint) return {};
  } else if (text.error().status != BERTH_NOT_FOUND) {
    return text.error();
  } else {
    token_.secret = random_hex(32);
  }
  return write_durably(path, token_.text() + "\n", 0600);
}

std::vector<berth::v1::Node> Server::Impl::nodes() const {
  std::vector<berth::v1::Node> nodes;
  const_cast<Loop&>(loop_).run([&] {
    for (const auto& [id, stored] : store_.nodes()) {
      if (stored.registered_at_ms() != 0) nodes.push_back(node_of(stored));
    }
  });
  return nodes;
}

sdk::Result<void> Server::Impl::remove(const std::string& node_id) {
  sdk::Result<void> result;
  loop_.run([&] {
    const auto stored = store_.nodes().find(node_id);
    if (stored == store_.nodes().end()) {
      result = sdk::fail(BERTH_NOT_FOUND, "no node " + node_id + " has joined");
      return;
    }
    result = store_.remove(node_id, config_.now_ms());
    if (!result) return;
    // Also one that waits for its identity to be free.
    std::vector<std::uint64_t> its;
    for (const auto& [serial, session] : sessions_) {
      if (session.node_id == node_id) its.push_back(serial);
    }
    for (const std::uint64_t serial : its) {
      if (Session* session = find(serial)) refuse(*session, v1::Goodbye::CODE_DEREGISTERED, "the node was deregistered");
    }
    while (calls_of_.contains(node_id)) fail_call(*calls_of_[node_id].begin(), BERTH_NOT_FOUND, "the node was deregistered");
    forget_peer(node_id);
    if (events_.removed) events_.removed(node_id);
  });
  return result;
}

void Server::Impl::accepted(std::shared_ptr<Connection> connection) {
  if (ending_) return connection->close("the server ends");
  make_room_for_strangers();
  const std::uint64_t serial = next_session_++;
  Session& session = sessions_[serial];
  session.serial = serial;
  session.connection = std::move(connection);
  session.heard = Clock::now();
  session.timer = loop_.after(config_.hello_timeout, [this, serial] {
    if (Session* s = find(serial)) refuse(*s, v1::Goodbye::CODE_BROKEN, "it did not say who it is");
  });
  session.connection->start({.frame =
                                 [this, serial](v1::Frame&& received) {
                                   if (Session* s = find(serial)) frame(*s, std::move(received));
                                 },
                             .closed = [this, serial](const std::string& why) { closed(serial, why); }});
}

// Whoever reaches the port can connect and say nothing; descriptors are the whole process's.
void Server::Impl::make_room_for_strangers() {
  if (sessions_.size() < live_.size() + config_.max_strangers) return;
  const auto oldest = std::find_if(sessions_.begin(), sessions_.end(),
                                   [](const auto& entry) { return !entry.second.live && entry.second.node_id.empty(); });
  if (oldest != sessions_.end()) refuse(oldest->second, v1::Goodbye::CODE_BROKEN, "too many connections say nothing");
}

void Server::Impl::frame(Session& session, v1::Frame&& frame) {
  session.heard = Clock::now();
  if (!session.live) return stranger_frame(session, std::move(frame));
  switch (frame.body_case()) {
    case v1::Frame::kHeartbeat:
      if (frame.heartbeat().pong() != 0 && session.challenger != 0) {
        session.probe.reset();
        if (Session* newcomer = find(std::exchange(session.challenger, 0))) {
          refuse(*newcomer, v1::Goodbye::CODE_IN_USE,
                 "another agent, at " + session.connection->peer() + ", lives with this identity");
        }
      }
      return;
    case v1::Frame::kReport: return report(session, std::move(*frame.mutable_report()));
    case v1::Frame::kDone: return agent_done(session, std::move(*frame.mutable_done()));
    case v1::Frame::kChunk: return agent_chunk(session, std::move(*frame.mutable_chunk()));
    case v1::Frame::kAsk: return ask(session, frame.ask());
    case v1::Frame::kInterfaces:
      return interfaces(session, frame.interfaces());
    case v1::Frame::kRegistration: return registration(session, frame.registration());
    case v1::Frame::kRenewal: return renewal(session, frame.renewal());
    case v1::Frame::kGoodbye: return session.connection->close(
          "the agent leaves" +
          (frame.goodbye().message().empty() ? "" : ": " + frame.goodbye().message()));
    case v1::Frame::BODY_NOT_SET: return;  // of a newer agent
    default: return refuse(session, v1::Goodbye::CODE_BROKEN, "a " + frame_name(frame) + " frame is not an agent's to send now");
  }
}

void Server::Impl::stranger_frame(Session& session, v1::Frame&& frame) {
  const bool waits = !session.node_id.empty();  // its identity is being probed
  if (frame.has_join() && !waits) return join(session, frame.join());
  if (frame.has_hello() && !waits) return hello(session, frame.hello());
  if (frame.has_goodbye()) return session.connection->close("it leaves");
  refuse(session, v1::Goodbye::CODE_BROKEN, "a " + frame_name(frame) + " frame before hello");
}

void Server::Impl::challenge(Session& owner, Session& newcomer) {
  if (find(owner.challenger)) return refuse(newcomer, v1::Goodbye::CODE_IN_USE, "another agent asks for this identity as well");
  owner.challenger = newcomer.serial;
  newcomer.timer.reset();  // the probe has its own bound
  v1::Frame ping;
  ping.mutable_heartbeat()->set_ping(newcomer.serial);
  owner.connection->send(ping);
  owner.probe = loop_.after(config_.probe, [this, serial = owner.serial] {
    // Its end admits the challenger.
    Session* s = find(serial);
    if (s && find(s->challenger)) refuse(*s, v1::Goodbye::CODE_REPLACED, "it did not answer while another asked for its identity");
  });
}

void Server::Impl::admit(Session& session, const v1::Registration& registration) {
  const std::string node_id = session.node_id;
  if (auto stored = remember(node_id, registration); !stored) {
    log(BERTH_LOG_ERROR, "node " + node_id + " cannot register: " + stored.error().message);
    return session.connection->close("its registration cannot be stored");
  }
  session.live = true;
  live_[node_id] = session.serial;
  session.connection->set_frame_limit(kFrameLimit);
  v1::Frame welcome;
  welcome.mutable_welcome()->set_heartbeat_ms(to_ms(config_.heartbeat));
  welcome.mutable_welcome()->set_dead_after_ms(to_ms(config_.dead_after));
  session.connection->send(welcome);
  session.heard = session.due = Clock::now();
  const std::string peer = session.connection->peer();
  heartbeat(session);
  if (!owner_of(node_id)) return;  // its certificate has just expired
  log(BERTH_LOG_INFO, "node " + node_id + " is connected from " + peer);
  if (events_.node) events_.node(node_of(store_.nodes().at(node_id)));
  greet(session);
  if (Session* still = owner_of(node_id)) send_waiting_calls(*still);
}

sdk::Result<void> Server::Impl::remember(const std::string& id, const v1::Registration& registration) {
  v1::StoredNode stored = store_.nodes().at(id);
  v1::Registration clean = registration;
  clean.mutable_node()->clear_id();
  clean.mutable_node()->clear_connected();
  clean.mutable_node()->clear_registered_at();
  clean.mutable_node()->clear_certificate_expires_at();
  clean.mutable_node()->clear_address();
  if (clean.node().cluster().empty()) clean.mutable_node()->set_cluster(config_.cluster);
  if (stored.registered_at_ms() != 0 && stored.registration().SerializeAsString() == clean.SerializeAsString()) return {};
  const bool first = stored.registered_at_ms() == 0;
  if (first) stored.set_registered_at_ms(config_.now_ms());
  *stored.mutable_registration() = std::move(clean);
  if (first) return store_.put(stored);
  // A whole fleet that was upgraded says something new at once, and no heartbeat may wait for that many disk writes.
  store_.put_later(stored);
  return {};
}

void Server::Impl::heartbeat(Session& session) {
  const auto now = Clock::now();
  // Where this process itself stood still (stopped, a suspended machine), what agents sent waits unread: hear it first.
  const bool overslept = now - session.due > config_.dead_after / 2;
  if (!overslept && now - session.heard > config_.dead_after) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "it was silent for " + std::to_string(to_ms(config_.dead_after)) + " ms");
  }
  if (!look_at_certificate(session)) return;
  v1::Frame beat;
  beat.mutable_heartbeat();
  session.connection->send(beat);
  session.due = now + config_.heartbeat;
  session.timer = loop_.after(config_.heartbeat, [this, serial = session.serial] {
    if (Session* s = find(serial)) heartbeat(*s);
  });
}

void Server::Impl::report(Session& session, berth::v1::TaskReport&& report) {
  if (!is_hex(report.task_id(), 32) || report.handle().size() > 4096 || report.containers_size() > 1024) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "a task report that is not one");
  }
  report.set_node_id(session.node_id);
  v1::Frame ack;
  ack.mutable_report_ack()->set_task_id(report.task_id());
  ack.mutable_report_ack()->set_sequence(report.sequence());
  const auto connection = session.connection;
  if (events_.report) events_.report(report);
  connection->send(ack, true);
}

void Server::Impl::ask(Session& session, const berth::v1::Ask& question) {
  if (question.ask_id() == 0 || question.question_case() == berth::v1::Ask::QUESTION_NOT_SET) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "a question that is not one");
  }
  const AskHandle to{session.serial, question.ask_id(), session.node_id};
  if (session.asks.size() >= config_.max_open_asks || !session.asks.insert(question.ask_id()).second) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "too many open questions, or one asked twice");
  }
  if (!events_.ask) return answer(to, BERTH_UNIMPLEMENTED, {});
  events_.ask(to, question);
}

void Server::Impl::registration(Session& session, const v1::Registration& registration) {
  if (auto checked = check_registration(registration); !checked) {
    return refuse(session, v1::Goodbye::CODE_INVALID_REGISTRATION, checked.error().message);
  }
  // One that says something else all the time must not keep everyone busy: the newest counts, each second.
  session.next_registration = registration;
  if (!session.registered_lately) take_registration(session);
}

void Server::Impl::take_registration(Session& session) {
  const v1::Registration registration = *std::exchange(session.next_registration, std::nullopt);
  session.registered_lately = true;
  session.registration_timer = loop_.after(kBetweenRegistrations, [this, serial = session.serial] {
    Session* s = find(serial);
    if (s == nullptr) return;
    s->registered_lately = false;
    if (s->next_registration) take_registration(*s);
  });
  if (auto stored = remember(session.node_id, registration); !stored) {
    return log(BERTH_LOG_ERROR, "the new registration of node " + session.node_id + " cannot be stored: " + stored.error().message);
  }
  if (events_.node) events_.node(node_of(store_.nodes().at(session.node_id)));
}

void Server::Impl::closed(std::uint64_t serial, const std::string& why) {
  const auto at = sessions_.find(serial);
  if (at == sessions_.end()) return;
  const std::string node_id = at->second.node_id;
  const std::uint64_t challenger = at->second.challenger;
  const bool was_live = at->second.live;
  const bool has_joined = at->second.joined;
  const std::string peer = at->second.connection->peer();
  {
    const std::lock_guard lock(mutex_);
    sessions_.erase(at);
    if (ending_ && sessions_.empty()) all_closed_.notify_all();
  }
  if (has_joined) return;  // as it should, and logged
  if (!was_live) return log_stranger("connection from " + peer + ": " + why);
  const auto owner = live_.find(node_id);
  if (owner == live_.end() || owner->second != serial) return;  // replaced, or removed
  live_.erase(owner);
  calls_lost(node_id, serial);
  log(BERTH_LOG_WARN, "node " + node_id + " is disconnected: " + why);
  const auto stored = store_.nodes().find(node_id);
  if (stored != store_.nodes().end() && events_.node) events_.node(node_of(stored->second));
  if (Session* newcomer = find(challenger); newcomer && stored != store_.nodes().end()) {
    admit(*newcomer, v1::Registration(newcomer->waiting_registration));
  }
}

// Says why and ends the connection; what it held is let go at once, so that another may take its place.
void Server::Impl::refuse(Session& session, v1::Goodbye::Code code, const std::string& why) {
  v1::Frame bye;
  bye.mutable_goodbye()->set_code(code);
  bye.mutable_goodbye()->set_message(why);
  const auto connection = session.connection;
  const std::uint64_t serial = session.serial;
  connection->send(bye);
  connection->close(why);
  if (!ending_) closed(serial, why);
}

void Server::Impl::log(int level, const std::string& message) {
  if (events_.log) events_.log(level, message);
}

// Whoever reaches the port can make such lines, so they are counted.
void Server::Impl::log_stranger(const std::string& message) {
  const auto now = Clock::now();
  if (now - stranger_minute_ > std::chrono::minutes(1)) {
    if (stranger_lines_ > kStrangerLinesAMinute) {
      log(BERTH_LOG_WARN, std::to_string(stranger_lines_ - kStrangerLinesAMinute) + " more refused connections were not logged");
    }
    stranger_minute_ = now;
    stranger_lines_ = 0;
  }
  if (++stranger_lines_ <= kStrangerLinesAMinute) log(BERTH_LOG_WARN, message);
}

Server::Impl::Session* Server::Impl::find(std::uint64_t serial) {
  const auto at = sessions_.find(serial);
  return at == sessions_.end() ? nullptr : &at->second;
}

Server::Impl::Session* Server::Impl::owner_of(const std::string& node_id) {
  const auto at = live_.find(node_id);
  return at == live_.end() ? nullptr : find(at->second);
}

berth::v1::Node Server::Impl::node_of(const v1::StoredNode& stored) const {
  berth::v1::Node node = stored.registration().node();
  node.set_id(stored.id());
  node.set_connected(live_.contains(stored.id()));
  node.mutable_registered_at()->set_ms(stored.registered_at_ms());
  node.mutable_certificate_expires_at()->set_ms(stored.certificate_expires_ms());
  const auto at = live_.find(stored.id());
  const auto session = at == live_.end() ? sessions_.end() : sessions_.find(at->second);
  if (session != sessions_.end()) node.set_address(host_of(session->second.connection->peer()));
  return node;
}

// ---- Server ----------------------------------------------------------------------------------------------------

sdk::Result<std::unique_ptr<Server>> Server::open(ServerConfig config, ServerEvents events) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(events));
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
void Server::start() { impl_->start(); }
std::uint16_t Server::port() const { return impl_->port(); }
std::string Server::join_token() const { return impl_->join_token(); }
std::vector<berth::v1::Node> Server::nodes() const { return impl_->nodes(); }
std::uint64_t Server::call(const std::string& node_id, std::uint32_t method, std::string request, CallOptions options,
                           Done done, OnChunk chunk) {
  return impl_->call({node_id, method, std::move(request), options, std::move(done), std::move(chunk)});
}
void Server::cancel(std::uint64_t call) { impl_->cancel(call); }
void Server::credit(std::uint64_t call, std::uint32_t bytes) { impl_->credit(call, bytes); }
void Server::write(std::uint64_t call, berth::v1::StreamWrite input) { impl_->write(call, std::move(input)); }
void Server::answer(AskHandle to, berth_status status, std::string response) {
  impl_->answer(to, status, std::move(response));
}
void Server::grant_interfaces(std::vector<InterfaceGrant> grants) { impl_->grant_interfaces(std::move(grants)); }
void Server::grants_are_known() { impl_->grants_are_known(); }
void Server::revoke_interface(const std::string& address, const std::string& task_id) {
  impl_->revoke_interface(address, task_id);
}
sdk::Result<void> Server::remove(const std::string& node_id) { return impl_->remove(node_id); }

}  // namespace berth::fleet
