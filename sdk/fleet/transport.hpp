// SPDX-License-Identifier: Apache-2.0
// TLS connections that carry frames: dialled, accepted, and then the same on both sides.
//
// Invariants: 1. A connection tells `closed` exactly once, and no frame after it. 2. What is received before it is
// understood is bounded (frame_limit), what waits to be sent as well (queue_limit): a side that does not read is cut off.
// Threads: [loop] all of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "berth/fleet/v1/fleet.pb.h"
#include "berth/result.hpp"
#include "sdk/fleet/agent_certificate.hpp"
#include "sdk/fleet/endpoint.hpp"
#include "sdk/fleet/loop.hpp"

namespace berth::fleet {

inline constexpr std::size_t kFrameLimit = BERTH_PAYLOAD_MAX + 64 * 1024;
inline constexpr std::size_t kStrangerFrameLimit = 256 * 1024;  // before the peer has said who it is

struct ConnectionOptions {
  std::string name;                           // "agent" or "fleet": begins the names of its failpoints
  std::size_t frame_limit = kStrangerFrameLimit;
  std::size_t queue_limit = 4 * kFrameLimit;  // bytes
  std::chrono::milliseconds handshake_timeout{10'000};
};

class Connection {
 public:
  struct Handlers {
    std::function<void(v1::Frame&&)> frame;
    std::function<void(const std::string& why)> closed;
  };

  virtual ~Connection() = default;

  // Begins to read; again: other handlers from now on.
  virtual void start(Handlers handlers) = 0;
  // Queues a frame; where that is too much, closes. After the end it is dropped. `news` tells failpoints that
  // it carries a change of a task, not a repetition.
  virtual void send(const v1::Frame& frame, bool news) = 0;
  void send(const v1::Frame& frame) { send(frame, false); }
  // Sends what is queued (for at most a second), then ends. The first reason is the one that `closed` tells.
  virtual void close(const std::string& why) = 0;
  // From now on frames of up to `bytes` are read.
  virtual void set_frame_limit(std::size_t bytes) = 0;
  // Bytes queued and not yet handed to the system.
  [[nodiscard]] virtual std::size_t queued() const = 0;
  [[nodiscard]] virtual const std::string& peer() const = 0;
  // Of an accepted connection: what the agent showed, signed by the listener's CA; whether it is still valid is the caller's to ask.
  [[nodiscard]] virtual const std::optional<PeerCertificate>& peer_certificate() const = 0;
};

// Accepts connections from start() until it is destroyed; those who dial earlier wait. At most `max_handshakes` strangers are shaking hands at a time; the rest wait in
// the system's queue. Who shows a certificate that the CA has not signed for a client is cut off; who shows none is let in as a stranger.
class Listener {
 public:
  struct Options {
    Endpoint endpoint;
    std::string chain_pem;
    std::string key_pem;
    std::string ca_pem;  // of the agents' certificates
    unsigned max_handshakes = 256;
    ConnectionOptions connection{};
  };
  using Accepted = std::function<void(std::shared_ptr<Connection>)>;

  virtual ~Listener() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  virtual void start() = 0;

  // Binds. Errors: INVALID for a bad address or key; UNAVAILABLE for one that is taken.
  static sdk::Result<std::unique_ptr<Listener>> open(Loop& loop, Options options, Accepted accepted);
};

struct DialOptions {
  Endpoint endpoint;
  std::string fingerprint;  // of the CA that the server must show
  std::string certificate;  // DER, to be shown; empty: none
  std::string key;          // of it: PKCS#8 in DER
  std::chrono::milliseconds timeout{10'000};
  ConnectionOptions connection{};
};

// Resolves, connects, shakes hands, checks the fingerprint, then calls `done` once. Dropping the returned handle gives up.
using Dialled = std::function<void(sdk::Result<std::shared_ptr<Connection>>)>;
[[nodiscard]] std::shared_ptr<void> dial(Loop& loop, const DialOptions& options, Dialled done);

}  // namespace berth::fleet
