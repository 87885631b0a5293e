// SPDX-License-Identifier: Apache-2.0
// The agent's end of a fleet: dials, joins once, comes back for ever, says what it offers, takes calls, delivers reports.
//
// Invariants: 1. The join secret is said only to a server that showed the pinned certificate, and the private key to nobody.
// 2. The identity (key and certificate) is on disk before the agent uses it. 3. A report is repeated on each connection until it is acknowledged;
// of one task only the newest matters, and with it no older one is sent.
// Threads: any, but write_chunk() not on the loop; events come on the loop's thread, one at a time, and must not block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "berth/fleet/v1/fleet.pb.h"
#include "berth/result.hpp"
#include "sdk/fleet/transport.hpp"

namespace berth::fleet {

struct ClientConfig {
  Endpoint server;
  std::string join_token;                 // needed until there is an identity; a token of another server joins anew
  std::filesystem::path identity_file;    // 0600: node id, key, certificate
  std::string
      host_address{};  // IPv4 where other hosts reach this one; empty: as the server sees it
  std::chrono::milliseconds dial_timeout{10'000};
  std::chrono::milliseconds backoff_first{200};
  std::chrono::milliseconds backoff_most{15'000};
  std::chrono::milliseconds refused_backoff{30'000};  // after a refusal that only a person can mend
};

// A call of the control plane; answered once by Client::done().
struct AgentCall {
  std::uint64_t id = 0;
  std::uint32_t method = 0;
  std::string request;
  std::chrono::milliseconds timeout{0};
};

struct ClientEvents {
  std::function<void(AgentCall)> call;
  // The call is no longer wanted (also because the connection is gone). It may still be answered: that is ignored.
  std::function<void(std::uint64_t call)> cancel;
  // Input of a call that streams, within what grant_input() allows.
  std::function<void(std::uint64_t call, berth::v1::StreamWrite)> input;
  std::function<void(const std::string& node_id)> connected;
  // What the other hosts have; `server` is the peer of this connection, "ADDRESS:PORT".
  std::function<void(const v1::Peers&, const std::string& server)> peers{};
  std::function<void(const std::string& why)> disconnected;
  // The fleet has removed this node: its tasks are nobody's any more. Told once in each process; nothing is dialled afterwards.
  std::function<void(const std::string& node_id)> removed;
  std::function<void(int level, const std::string& message)> log;
};

class Client {
 public:
  using Answered = std::function<void(berth_status, std::string response)>;

  // Reads the identity, if there is one; dials from start() on. Several clients may share a loop (a fleet simulator's do);
  // without one the client has its own. Errors: INVALID for a broken identity file, or neither identity nor token.
  static sdk::Result<std::unique_ptr<Client>> open(ClientConfig config, v1::Registration registration,
                                                   ClientEvents events, std::shared_ptr<Loop> loop = {});

  void start();

  // Says good-bye and ends; no event comes later.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // What the node offers has changed.
  void update(v1::Registration registration);

  // Delivers a report, now or when there is a connection.
  void report(berth::v1::TaskReport report);
  // The same for reports of an earlier process, which are only repeated here.
  void restore(berth::v1::TaskReport report);
  // Stops repeating the reports of these tasks.
  void forget_reports(const std::vector<std::string>& task_ids);

  // A task's interface is here from now on, or no more: said to the server now and on each
  // connection.
  void put_interface(v1::Interface interface);
  void drop_interface(const std::string& address);

  void done(std::uint64_t call, berth_status status, std::string payload = {});

  // Sends a piece of a call's stream; waits until there is credit for it.
  // Errors: CANCELLED where the call or the client has ended, or by `stop`.
  sdk::Result<void> write_chunk(std::uint64_t call, berth::v1::StreamChunk chunk, std::stop_token stop = {});

  // Lets so many more bytes of input come; at first none may.
  void grant_input(std::uint64_t call, std::uint32_t bytes);

  // Asks the control plane; `question.ask_id` is the client's to set. Asked again after a reconnect; DEADLINE after `timeout`.
  void ask(berth::v1::Ask question, std::chrono::milliseconds timeout, Answered answered);

  // Empty before the first join.
  [[nodiscard]] std::string node_id() const;

 private:
  class Impl;
  Client(std::shared_ptr<Loop> loop, std::shared_ptr<Impl> impl);
  std::shared_ptr<Loop> loop_;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::fleet
