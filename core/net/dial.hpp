// SPDX-License-Identifier: Apache-2.0
// Connections to where a name and a port lead.
//
// Threads: any; it runs on the executor it is given.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "core/net/byte_stream.hpp"

namespace berth::net {

struct Dial {
  std::string host;  // a name or an address, without brackets
  std::string port;
  milliseconds limit{};               // for all but the look-up of the name
  asio::ssl::context* tls = nullptr;  // null: plain TCP; else outlives the stream
};

struct Dialled {
  std::unique_ptr<ByteStream> stream;  // null: it failed
  error_code error;
  bool at_handshake = false;  // the peer was reached, and TLS failed
};

asio::awaitable<Dialled> dial(asio::any_io_executor executor, Dial to);

}  // namespace berth::net
