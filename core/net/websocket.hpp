// SPDX-License-Identifier: Apache-2.0
// One end of a websocket of binary messages over a ByteStream, which it bounds in time from then
// on.
//
// One read, and one write or close, may be under way at a time. Threads: the stream's executor.
// Errors: of the stream and of boost::beast::websocket; after one only destroying it makes sense.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/byte_stream.hpp"

namespace berth::net {

class Websocket {
 public:
  struct Bounds {
    milliseconds handshake{};  // and for closing
    milliseconds idle{};       // without a word of the peer; it is pinged before
    std::size_t message_bytes = 0;
  };
  using Fields = std::vector<std::pair<std::string, std::string>>;  // of the handshake
  using Request = boost::beast::http::request<boost::beast::http::empty_body>;
  struct Asked {
    std::string host;
    std::string target;
    Fields fields;
  };
  struct Answer {
    unsigned status = 0;
    Fields fields;
    std::string body;
  };

  // The stream outlives it.
  Websocket(ByteStream& stream, const Bounds& bounds);
  ~Websocket();
  Websocket(const Websocket&) = delete;
  Websocket& operator=(const Websocket&) = delete;

  // The server's handshake, with a request that was read already.
  asio::awaitable<void> accept(Request request, Fields fields, error_code& ec);
  // The client's. Errors: websocket::error::upgrade_declined, and `answer` tells how.
  asio::awaitable<void> ask(Asked asked, Answer& answer, error_code& ec);

  // Sends one message; the bytes must stay until its end.
  asio::awaitable<void> write(std::string_view message, error_code& ec);
  // The next message whole; valid until the next read.
  asio::awaitable<std::string_view> read(error_code& ec);
  // Says a code of RFC 6455 and a reason of 123 bytes at most, and waits for the peer's close. What
  // is being read ends.
  asio::awaitable<void> close(std::uint16_t code, std::string_view reason, error_code& ec);
  // What the peer said when it closed; valid as long as this.
  [[nodiscard]] std::string_view peer_reason() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::net
