// SPDX-License-Identifier: Apache-2.0
// A connection of transport.hpp over TLS 1.3: a 4-byte length (big endian) and one frame, again and
// again.
//
// Threads: [loop] all of it. Each operation under way holds the connection, so it lives until its
// end was told.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "sdk/fleet/transport.hpp"

namespace berth::fleet {

// TLS 1.3 and nothing older.
[[nodiscard]] std::shared_ptr<boost::asio::ssl::context> tls_context(
    boost::asio::ssl::context::method method);

class TlsConnection final : public Connection, public std::enable_shared_from_this<TlsConnection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  TlsConnection(Loop& loop, std::shared_ptr<boost::asio::ssl::context> tls, Socket socket,
                ConnectionOptions options);

  // `done` once: empty for success, else why not.
  void handshake(boost::asio::ssl::stream_base::handshake_type side,
                 std::function<void(std::string)> done);
  // What a handshake that nobody waits for any longer ends by.
  void cut();
  SSL* native() { return stream_.native_handle(); }
  // Once the handshake is over.
  void read_peer_certificate();

  void start(Handlers handlers) override;
  using Connection::send;
  void send(const v1::Frame& frame, bool news) override;
  void close(const std::string& why) override;
  void set_frame_limit(std::size_t bytes) override { options_.frame_limit = bytes; }
  [[nodiscard]] std::size_t queued() const override { return queued_; }
  [[nodiscard]] const std::string& peer() const override { return peer_; }
  [[nodiscard]] const std::optional<PeerCertificate>& peer_certificate() const override {
    return peer_certificate_;
  }

 private:
  struct Outgoing {
    std::string bytes;
    std::string name;  // only where failpoints are armed
    bool news = false;
  };

  void pass(const char* step, const std::string& frame, bool news) const;
  void read_more();
  void read_body();
  void take_input(std::size_t size);
  [[nodiscard]] bool begin_body();
  void deliver();
  void write_next();
  void wrote();
  void end_soon(const std::string& why);
  void end(const std::string& why);

  Loop& loop_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  boost::asio::ssl::stream<Socket> stream_;
  ConnectionOptions options_;
  std::string peer_;
  std::optional<PeerCertificate> peer_certificate_;
  Handlers handlers_;
  Loop::Timer timer_;
  std::array<char, 4096> input_{};
  std::array<unsigned char, 4> length_{};
  std::size_t length_bytes_ = 0;  // of length_, that have come
  std::size_t left_ = 0;          // of the body, still to come
  std::string body_;
  std::deque<Outgoing> queue_;
  std::size_t sending_ = 0;  // frames at the front of the queue that are being written
  std::string output_;       // these, where they are several
  std::size_t queued_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
  std::string close_reason_;
};

}  // namespace berth::fleet
