// SPDX-License-Identifier: Apache-2.0
#include "core/net/dial.hpp"

#include <boost/beast/core/tcp_stream.hpp>

#include "core/net/await.hpp"

namespace berth::net {

asio::awaitable<Dialled> dial(asio::any_io_executor executor, Dial to) {
  using Clock = std::chrono::steady_clock;
  Dialled dialled;
  asio::ip::tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(to.host, to.port, into(dialled.error));
  if (dialled.error) co_return dialled;
  const Clock::time_point end = Clock::now() + to.limit;
  boost::beast::tcp_stream tcp(executor);
  tcp.expires_at(end);
  co_await tcp.async_connect(found, into(dialled.error));
  if (dialled.error) co_return dialled;
  error_code ignored;
  tcp.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  auto stream = plain_stream(tcp.release_socket());
  if (to.tls != nullptr) {
    stream = tls_client_stream(std::move(stream), *to.tls, to.host);
    stream->expires_after(std::chrono::ceil<milliseconds>(end - Clock::now()));
    co_await stream->async_handshake(into(dialled.error));
    dialled.at_handshake = bool(dialled.error);
    if (dialled.error) co_return dialled;
  }
  stream->expires_never();
  dialled.stream = std::move(stream);
  co_return dialled;
}

}  // namespace berth::net
