// SPDX-License-Identifier: Apache-2.0
// Inside of the fleet server: sessions (one a connection), and calls (which may outlive a session).
//
// Threads: [loop] but for what Server itself calls.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "sdk/fleet/agent_certificate.hpp"
#include "sdk/fleet/credentials.hpp"
#include "sdk/fleet/node_store.hpp"
#include "sdk/fleet/peer_book.hpp"
#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/server.hpp"

namespace berth::fleet {

class Server::Impl {
 public:
  Impl(ServerConfig config, ServerEvents events);
  ~Impl();

  sdk::Result<void> open();

  void start() { listener_->start(); }
  std::uint16_t port() const { return listener_->port(); }
  std::string join_token() const { return token_.text(); }
  std::vector<berth::v1::Node> nodes() const;
  void grants_are_known();
  void grant_interfaces(std::vector<InterfaceGrant> grants);
  void revoke_interface(const std::string& address, const std::string& task_id);
  sdk::Result<void> remove(const std::string& node_id);

  // server_calls.cpp
  struct NewCall {
    std::string node_id;
    std::uint32_t method = 0;
    std::string request;
    CallOptions options;
    Done done;
    OnChunk chunk;
  };
  std::uint64_t call(NewCall wish);
  void cancel(std::uint64_t id);
  void credit(std::uint64_t id, std::uint32_t bytes);
  void write(std::uint64_t id, berth::v1::StreamWrite input);
  void answer(AskHandle to, berth_status status, std::string response);

 private:
  using Clock = std::chrono::steady_clock;

  struct Session {
    std::uint64_t serial = 0;
    std::shared_ptr<Connection> connection;
    std::string node_id;      // once it has said a valid Hello
    std::string incarnation;
    bool live = false;        // is the node's
    bool joined = false;      // has got its certificate, with which it comes back
    std::int64_t certificate_expires_ms = 0;  // of the newest that this connection's agent has
    std::int64_t renew_at_ms = 0;             // when it is asked to take a new one
    bool asked_to_renew = false;
    Clock::time_point heard{};
    Clock::time_point due{};  // of the next heartbeat
    Loop::Timer timer;        // for the Hello, then the heartbeat
    std::set<std::uint64_t> asks;
    // While this session's right to its identity is in doubt:
    std::uint64_t challenger = 0;  // serial of the one that waits for it
    Loop::Timer probe;
    v1::Registration waiting_registration;
    // Of a live one: the newest that was not taken yet, since one was a moment ago.
    std::optional<v1::Registration> next_registration;
    bool registered_lately = false;
    Loop::Timer registration_timer;
  };
  struct OpenCall {
    NewCall wish;
    std::uint64_t session = 0;  // 0: waits for the node
    std::uint64_t credit = 0;   // bytes that the agent may still send
    Loop::Timer timer;
  };

  // server.cpp
  sdk::Result<void> read_token();
  void accepted(std::shared_ptr<Connection> connection);
  void make_room_for_strangers();
  void frame(Session& session, v1::Frame&& frame);
  void stranger_frame(Session& session, v1::Frame&& frame);
  void challenge(Session& owner, Session& newcomer);
  void admit(Session& session, const v1::Registration& registration);
  sdk::Result<void> remember(const std::string& id, const v1::Registration& registration);
  void heartbeat(Session& session);
  void report(Session& session, berth::v1::TaskReport&& report);
  void ask(Session& session, const berth::v1::Ask& question);
  void registration(Session& session, const v1::Registration& registration);
  void take_registration(Session& session);
  void closed(std::uint64_t serial, const std::string& why);
  void refuse(Session& session, v1::Goodbye::Code code, const std::string& why);
  void log(int level, const std::string& message);
  void log_stranger(const std::string& message);
  Session* find(std::uint64_t serial);
  Session* owner_of(const std::string& node_id);
  [[nodiscard]] berth::v1::Node node_of(const v1::StoredNode& stored) const;

  // server_identity.cpp
  void join(Session& session, const v1::Join& join);
  void hello(Session& session, const v1::Hello& hello);
  void renewal(Session& session, const v1::Renewal& renewal);
  // False: it has expired, and the session with it.
  bool look_at_certificate(Session& session);
  // Issues, and remembers the key beside those that the agent may still have.
  sdk::Result<Authority::Issued> issue(v1::StoredNode& node, const std::string& request, const std::string& session_key);
  void plan_renewal(Session& session, std::int64_t expires_ms) const;

  // server_calls.cpp
  void begin_call(std::uint64_t id, NewCall wish);
  void send_call(std::uint64_t id, OpenCall& call, Session& session);
  void end_call(std::uint64_t id, berth_status status, std::string payload);
  void fail_call(std::uint64_t id, berth_status status, const std::string& why);
  void send_waiting_calls(Session& session);
  void calls_lost(const std::string& node_id, std::uint64_t session);
  void agent_done(Session& session, v1::Done&& done);
  void agent_chunk(Session& session, v1::Chunk&& chunk);

  // server_peers.cpp
  void greet(Session& session);
  void interfaces(Session& session, const v1::Interfaces& news);
  void forget_peer(const std::string& node_id);
  void tell_peers_later();
  void tell_peers();

  Loop loop_;  // first: all below lives on it
  ServerConfig config_;
  ServerEvents events_;
  NodeStore store_;
  JoinToken token_;
  std::optional<Authority> authority_;
  std::unique_ptr<Listener> listener_;
  std::map<std::uint64_t, Session> sessions_;
  std::map<std::string, std::uint64_t> live_;  // node id -> serial
  std::map<std::uint64_t, OpenCall> calls_;
  std::map<std::string, std::set<std::uint64_t>> calls_of_;  // node id -> its open calls
  PeerBook peers_;
  bool grants_known_ = false;
  Loop::Timer peers_timer_;
  bool peers_due_ = false;
  std::uint64_t next_session_ = 1;
  std::atomic<std::uint64_t> next_call_{1};
  int stranger_lines_ = 0;
  Clock::time_point stranger_minute_{};
  bool ending_ = false;
  std::mutex mutex_;
  std::condition_variable all_closed_;
};

}  // namespace berth::fleet
