// SPDX-License-Identifier: Apache-2.0
// Two ends of one connection over loopback, in one thread: a client that dialled, and its server.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>

#include "core/net/await.hpp"
#include "core/net/dial.hpp"
#include "tests/core/net/certificate.hpp"

namespace berth::net {

class StreamPair {
 public:
  struct Wish {
    bool secure = false;
    std::string certified = "localhost";  // the name in the server's certificate
  };
  explicit StreamPair(Wish wish)
      : certificate_(wish.certified),
        server_tls_(certificate_.server()),
        client_tls_(certificate_.client()),
        acceptor_(io, {asio::ip::address_v4::loopback(), 0}) {
    start(serve(wish.secure));
    start(connect(wish.secure));
    run();
  }

  void start(asio::awaitable<void> work) {
    asio::co_spawn(io, std::move(work), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  // Until all that was begun is over.
  void run() {
    io.restart();
    io.run();
  }

  void run_until(const std::function<bool()>& done) {
    io.restart();
    while (!done() && io.run_one() > 0) {
    }
  }

  asio::io_context io;
  Dialled dialled;
  std::unique_ptr<ByteStream> server;
  error_code server_error;

  [[nodiscard]] ByteStream& client() const { return *dialled.stream; }

 private:
  asio::awaitable<void> serve(bool secure) {
    auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
    server = plain_stream(std::move(socket));
    if (secure) server = tls_server_stream(std::move(server), server_tls_);
    co_await server->async_handshake(into(server_error));
  }
  asio::awaitable<void> connect(bool secure) {
    // Not within the call: g++ 12 copies what is made of braces there without its constructors.
    Dial to{.host = "localhost",
            .port = std::to_string(acceptor_.local_endpoint().port()),
            .limit = std::chrono::seconds(20),
            .tls = secure ? &client_tls_ : nullptr};
    dialled = co_await dial(io.get_executor(), std::move(to));
  }

  TestCertificate certificate_;
  asio::ssl::context server_tls_;
  asio::ssl::context client_tls_;
  asio::ip::tcp::acceptor acceptor_;
};

}  // namespace berth::net
