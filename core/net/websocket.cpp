// SPDX-License-Identifier: Apache-2.0
#include "core/net/websocket.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "core/net/await.hpp"

namespace berth::net {
namespace {

namespace bw = boost::beast::websocket;

void set_fields(auto& message, const Websocket::Fields& fields) {
  for (const auto& [name, value] : fields) message.set(name, value);
}

}  // namespace

struct Websocket::Impl {
  explicit Impl(ByteStream& stream) : socket(stream) {}

  bw::stream<ByteStream&, false> socket;  // without compression, which nobody offers
  boost::beast::flat_buffer buffer;
};

Websocket::Websocket(ByteStream& stream, const Bounds& bounds)
    : impl_(std::make_unique<Impl>(stream)) {
  stream.expires_never();
  impl_->socket.set_option(bw::stream_base::timeout{bounds.handshake, bounds.idle, true});
  impl_->socket.read_message_max(bounds.message_bytes);
  impl_->socket.binary(true);
}

Websocket::~Websocket() = default;

asio::awaitable<void> Websocket::accept(Request request, Fields fields, error_code& ec) {
  impl_->socket.set_option(bw::stream_base::decorator(
      [&fields](bw::response_type& response) { set_fields(response, fields); }));
  co_await impl_->socket.async_accept(request, into(ec));
}

asio::awaitable<void> Websocket::ask(Asked asked, Answer& answer, error_code& ec) {
  impl_->socket.set_option(bw::stream_base::decorator(
      [&asked](bw::request_type& request) { set_fields(request, asked.fields); }));
  bw::response_type response;
  co_await impl_->socket.async_handshake(response, asked.host, asked.target, into(ec));
  answer.status = response.result_int();
  for (const auto& field : response) answer.fields.emplace_back(field.name_string(), field.value());
  answer.body = std::move(response.body());
}

asio::awaitable<void> Websocket::write(std::string_view message, error_code& ec) {
  co_await impl_->socket.async_write(asio::buffer(message), into(ec));
}

asio::awaitable<std::string_view> Websocket::read(error_code& ec) {
  impl_->buffer.clear();
  co_await impl_->socket.async_read(impl_->buffer, into(ec));
  const auto data = impl_->buffer.cdata();
  co_return std::string_view(static_cast<const char*>(data.data()), data.size());
}

asio::awaitable<void> Websocket::close(std::uint16_t code, std::string_view reason,
                                       error_code& ec) {
  const bw::close_reason why(static_cast<bw::close_code>(code), reason);
  co_await impl_->socket.async_close(why, into(ec));
}

std::string_view Websocket::peer_reason() const {
  const auto& reason = impl_->socket.reason().reason;
  return {reason.data(), reason.size()};
}

}  // namespace berth::net
