// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include "core/net/byte_stream.hpp"

namespace berth::net {
namespace {

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(asio::ip::tcp::socket socket)
      : ByteStream(socket.get_executor()), stream_(std::move(socket)) {}

  [[nodiscard]] bool secure() const override { return false; }
  void expires_after(milliseconds time) override { stream_.expires_after(time); }
  void expires_never() override { stream_.expires_never(); }
  void cancel() override { stream_.cancel(); }
  void close() override { stream_.close(); }

 private:
  void read_some(const Room& room, Moved done) override {
    stream_.async_read_some(room, std::move(done));
  }
  void write_some(const Bytes& bytes, Moved done) override {
    stream_.async_write_some(bytes, std::move(done));
  }
  void handshake(Done done) override { end(std::move(done), {}); }
  void shutdown(Done done) override {
    error_code ec;
    stream_.socket().shutdown(asio::socket_base::shutdown_send, ec);
    end(std::move(done), ec);
  }
  void teardown(boost::beast::role_type role, Done done) override {
    using boost::beast::websocket::async_teardown;
    async_teardown(role, stream_, std::move(done));
  }

  // Never from within the call that began it.
  void end(Done done, error_code ec) {
    asio::post(get_executor(), boost::beast::bind_front_handler(std::move(done), ec));
  }

  boost::beast::tcp_stream stream_;
};

}  // namespace

std::unique_ptr<ByteStream> plain_stream(asio::ip::tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace berth::net
