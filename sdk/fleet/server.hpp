// SPDX-License-Identifier: Apache-2.0
// The control-plane end of a plugin's agents: lets them join, keeps who they are, routes calls to them, hears their reports.
//
// Two connections with one identity: the same process of the agent dialled again, and the new one replaces the old; or another
// process did, and the old one is pinged: if it answers within `probe`, the new one is refused (two hosts with
// one identity, say a cloned disk), else it is replaced.
//
// Invariants: 1. A node is known from its first registration until remove(), over restarts. 2. Reports and streams are
// attributed to the node whose connection they came by, whatever they say. 3. Each call ends exactly once. 4. Which node a
// connection is of, is said by the certificate of its TLS handshake alone: of this fleet's CA, not expired, not revoked.
// Threads: any; events come on the loop's thread, one at a time, and must not block. They may call the server.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"
#include "sdk/fleet/peer_book.hpp"
#include "sdk/fleet/transport.hpp"

namespace berth::fleet {

[[nodiscard]] std::int64_t system_now_ms();

struct ServerConfig {
  Endpoint listen;
  std::filesystem::path data_dir;             // made, 0700: tls/, nodes/, join-token
  std::string cluster = "default";            // of agents that name none
  std::chrono::milliseconds heartbeat{5'000};
  std::chrono::milliseconds dead_after{20'000};
  std::chrono::milliseconds probe{2'000};
  std::chrono::milliseconds hello_timeout{10'000};
  // Of an agent's certificate. At two thirds of it the agent is given a new one.
  std::chrono::milliseconds certificate_lifetime = std::chrono::hours(24 * 30);
  std::size_t max_nodes = 100'000;
  std::size_t max_strangers = 1'024;          // connections that have not said who they are; the oldest gives way
  std::size_t max_open_calls = 65'536;        // over all nodes
  std::size_t max_open_asks = 1'024;          // of one agent
  // Milliseconds since the epoch, by which certificates are issued and looked at. On the loop, and in open().
  std::function<std::int64_t()> now_ms = system_now_ms;
};

// Where an Answer goes: one question of one connection.
struct AskHandle {
  std::uint64_t session = 0;
  std::uint64_t ask = 0;
  std::string node_id{};  // whose agent asks
};

struct ServerEvents {
  // A node registered, changed, connected or disconnected. `connected` is set.
  std::function<void(const berth::v1::Node&)> node;
  std::function<void(const std::string& node_id)> removed;
  // Valid and of this node. May come again with the same sequence.
  std::function<void(const berth::v1::TaskReport&)> report;
  // The agent asks; its bytes are unread. Answer once, with answer().
  std::function<void(AskHandle, const berth::v1::Ask&)> ask;
  // For a person: a connection refused or lost, a node joined. level is a BERTH_LOG_ value.
  std::function<void(int level, const std::string& message)> log;
};

// How a call to an agent is to be carried.
struct CallOptions {
  std::chrono::milliseconds timeout{0};  // 0: no bound
  // False: fails with UNAVAILABLE where the agent is away or goes. True (idempotent calls alone): waits
  // for the agent, and is sent again on its next connection until it is answered.
  bool until_answered = false;
  std::uint64_t stream_id = 0;           // of the chunks; 0: no stream
  std::uint32_t credit = 0;              // bytes of the stream that may be under way
};

class Server {
 public:
  // status and payload as the agent answered; DEADLINE, CANCELLED, UNAVAILABLE or NOT_FOUND (no such node) by the server.
  using Done = std::function<void(berth_status, std::string payload)>;
  using OnChunk = std::function<void(berth::v1::StreamChunk&&)>;

  // Makes or reads what is in data_dir and binds; agents are served, and events come, from start() on.
  // Errors: INVALID, INTERNAL, UNAVAILABLE for a taken port.
  static sdk::Result<std::unique_ptr<Server>> open(ServerConfig config, ServerEvents events);

  // Says good-bye to every agent, ends what is open with CANCELLED, joins the thread.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string join_token() const;

  // Every known node, by id.
  [[nodiscard]] std::vector<berth::v1::Node> nodes() const;

  // Begins a call; `done` comes once, on the loop, also before this returns. The number is for cancel() and credit().
  std::uint64_t call(const std::string& node_id, std::uint32_t method, std::string request,
                     CallOptions options, Done done, OnChunk chunk = {});
  void cancel(std::uint64_t call);
  void credit(std::uint64_t call, std::uint32_t bytes);
  // Input of a call that streams, in order; the chunks' input_credit_bytes say how much. Dropped where the agent is away.
  void write(std::uint64_t call, berth::v1::StreamWrite input);

  void answer(AskHandle to, berth_status status, std::string response);

  // Which interfaces tasks have been given (before they are started), and no longer have. Agents' claims of others are told nobody.
  void grant_interfaces(std::vector<InterfaceGrant> grants);
  // What was granted before this server began has been granted again. Until then agents keep what they know of each other.
  void grants_are_known();
  void revoke_interface(const std::string& address, const std::string& task_id);

  // Deregisters: revokes the node's certificates, now and for ever, and closes its connection. Errors: NOT_FOUND.
  sdk::Result<void> remove(const std::string& node_id);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::fleet
