// SPDX-License-Identifier: Apache-2.0
// A stream of bytes to a peer, over TCP as it is or within TLS: one type for both, so that what
// speaks HTTP or websockets over it is compiled once.
//
// It is an AsyncReadStream and an AsyncWriteStream of Asio's, and may lie below Beast's websocket.
// One read and one write may be under way at a time, no other operation beside them but those that
// return nothing. It outlives its operations.
// Threads: its executor, all of it. Completions are called there too, whatever executor they are
// bound to, and do not hear their cancellation slots: cancel() or close() instead.
// Errors: beast::error::timeout where the time given by expires_after is over.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/role.hpp>
#include <chrono>
#include <memory>

#include "core/net/completion.hpp"
#include "core/net/pieces.hpp"

namespace boost::asio::ssl {
class context;
}

namespace berth::net {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

class ByteStream {
 public:
  using executor_type = asio::any_io_executor;
  using lowest_layer_type = ByteStream;

  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
  [[nodiscard]] lowest_layer_type& lowest_layer() { return *this; }
  [[nodiscard]] const lowest_layer_type& lowest_layer() const { return *this; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(Reading{this}, token,
                                                                      Room(buffers));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(Writing{this}, token,
                                                                      Bytes(buffers));
  }
  // What comes before the first byte: TLS's handshake; over plain TCP nothing.
  template <typename Token>
  auto async_handshake(Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(Step{this, &ByteStream::handshake}, token);
  }
  // Says that nothing more comes. Within TLS it waits for the peer to say so too.
  template <typename Token>
  auto async_shutdown(Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(Step{this, &ByteStream::shutdown}, token);
  }

  [[nodiscard]] virtual bool secure() const = 0;  // within TLS
  // Bounds the operations that begin from now on.
  virtual void expires_after(milliseconds time) = 0;
  virtual void expires_never() = 0;
  // What is under way ends with an error.
  virtual void cancel() = 0;
  virtual void close() = 0;

 protected:
  explicit ByteStream(executor_type executor) : executor_(std::move(executor)) {}

 private:
  struct Reading {
    ByteStream* stream;
    template <typename Handler>
    void operator()(Handler&& handler, const Room& room) const {
      stream->read_some(room, Moved(std::forward<Handler>(handler)));
    }
  };
  struct Writing {
    ByteStream* stream;
    template <typename Handler>
    void operator()(Handler&& handler, const Bytes& bytes) const {
      stream->write_some(bytes, Moved(std::forward<Handler>(handler)));
    }
  };
  struct Step {
    ByteStream* stream;
    void (ByteStream::*step)(Done);
    template <typename Handler>
    void operator()(Handler&& handler) const {
      (stream->*step)(Done(std::forward<Handler>(handler)));
    }
  };

  virtual void read_some(const Room& room, Moved done) = 0;
  virtual void write_some(const Bytes& bytes, Moved done) = 0;
  virtual void handshake(Done done) = 0;
  virtual void shutdown(Done done) = 0;
  // The end of a websocket: until the peer has closed too.
  virtual void teardown(boost::beast::role_type role, Done done) = 0;

  // How Beast's websocket ends what lies below it.
  friend void beast_close_socket(ByteStream& stream) { stream.close(); }
  template <typename Handler>
  friend void async_teardown(boost::beast::role_type role, ByteStream& stream, Handler&& handler) {
    stream.teardown(role, Done(std::forward<Handler>(handler)));
  }

  executor_type executor_;
};

[[nodiscard]] std::unique_ptr<ByteStream> plain_stream(asio::ip::tcp::socket socket);

// TLS over another stream. The context outlives it.
[[nodiscard]] std::unique_ptr<ByteStream> tls_server_stream(std::unique_ptr<ByteStream> below,
                                                            asio::ssl::context& context);
// The peer must show a certificate of `host`, which is also the name that it is told (SNI).
[[nodiscard]] std::unique_ptr<ByteStream> tls_client_stream(std::unique_ptr<ByteStream> below,
                                                            asio::ssl::context& context,
                                                            std::string host);

}  // namespace berth::net
