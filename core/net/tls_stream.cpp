// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <string>

#include "core/net/byte_stream.hpp"

namespace berth::net {
namespace {

using Side = asio::ssl::stream_base::handshake_type;

class TlsStream final : public ByteStream {
 public:
  TlsStream(std::unique_ptr<ByteStream> below, asio::ssl::context& context, Side side)
      : ByteStream(below->get_executor()),
        below_(std::move(below)),
        stream_(*below_, context),
        side_(side) {}

  void expect(std::string host) {
    host_ = std::move(host);
    stream_.set_verify_callback(asio::ssl::host_name_verification(host_));
  }

  [[nodiscard]] bool secure() const override { return true; }
  void expires_after(milliseconds time) override { below_->expires_after(time); }
  void expires_never() override { below_->expires_never(); }
  void cancel() override { below_->cancel(); }
  void close() override { below_->close(); }

 private:
  void read_some(const Room& room, Moved done) override {
    stream_.async_read_some(room, std::move(done));
  }
  void write_some(const Bytes& bytes, Moved done) override {
    stream_.async_write_some(bytes, std::move(done));
  }
  void handshake(Done done) override {
    if (!host_.empty() && !SSL_set_tlsext_host_name(stream_.native_handle(), host_.c_str())) {
      const error_code ec(static_cast<int>(ERR_get_error()), asio::error::get_ssl_category());
      asio::post(get_executor(), boost::beast::bind_front_handler(std::move(done), ec));
      return;
    }
    stream_.async_handshake(side_, std::move(done));
  }
  void shutdown(Done done) override { stream_.async_shutdown(std::move(done)); }
  void teardown(boost::beast::role_type role, Done done) override {
    using boost::beast::websocket::async_teardown;
    async_teardown(role, stream_, std::move(done));
  }

  std::unique_ptr<ByteStream> below_;
  boost::beast::ssl_stream<ByteStream&> stream_;  // over below_
  Side side_;
  std::string host_;
};

}  // namespace

std::unique_ptr<ByteStream> tls_server_stream(std::unique_ptr<ByteStream> below,
                                              asio::ssl::context& context) {
  return std::make_unique<TlsStream>(std::move(below), context, asio::ssl::stream_base::server);
}

std::unique_ptr<ByteStream> tls_client_stream(std::unique_ptr<ByteStream> below,
                                              asio::ssl::context& context, std::string host) {
  auto stream =
      std::make_unique<TlsStream>(std::move(below), context, asio::ssl::stream_base::client);
  stream->expect(std::move(host));
  return stream;
}

}  // namespace berth::net
