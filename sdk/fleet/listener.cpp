// SPDX-License-Identifier: Apache-2.0
#include <unordered_set>
#include <utility>

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include "sdk/fleet/tls_connection.hpp"

namespace berth::fleet {
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class TlsListener final : public Listener {
 public:
  TlsListener(Loop& loop, Options options, Accepted accepted)
      : loop_(loop),
        options_(std::move(options)),
        accepted_(std::move(accepted)),
        acceptor_(loop.context()) {}

  ~TlsListener() override {
    loop_.run([this] {
      retry_.reset();
      *alive_ = false;
      error_code ignored;
      acceptor_.close(ignored);
      for (const auto& connection : shaking_) connection->cut();
      shaking_.clear();
    });
  }

  sdk::Result<void> listen() {
    tls_ = tls_context(ssl::context::tls_server);
    error_code error;
    tls_->use_certificate_chain(asio::buffer(options_.chain_pem), error);
    if (!error) tls_->use_private_key(asio::buffer(options_.key_pem), ssl::context::pem, error);
    if (!error) ask_for_certificates(error);
    if (error) return sdk::fail(BERTH_INVALID, "TLS certificate: " + error.message());
    const Endpoint& at = options_.endpoint;
    tcp::resolver resolver(loop_.context());
    const auto flags = tcp::resolver::passive | tcp::resolver::numeric_service;
    const auto found = resolver.resolve(at.host, std::to_string(at.port), flags, error);
    if (error || found.empty())
      return sdk::fail(BERTH_INVALID, "cannot listen on " + at.text() + ": " + error.message());
    const tcp::endpoint end = found.begin()->endpoint();
    acceptor_.open(end.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(end, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error)
      return sdk::fail(BERTH_UNAVAILABLE, "cannot listen on " + at.text() + ": " + error.message());
    port_ = acceptor_.local_endpoint(error).port();
    return {};
  }

  void start() override {
    loop_.post([this, alive = alive_] {
      if (*alive) accept();
    });
  }

  std::uint16_t port() const override { return port_; }

 private:
  // An agent that joins has no certificate yet. Time is not looked at here: one who is late is to
  // hear so, in a frame.
  void ask_for_certificates(error_code& error) {
    tls_->set_verify_mode(ssl::verify_peer);
    tls_->add_certificate_authority(asio::buffer(options_.ca_pem), error);
    SSL_CTX* const context = tls_->native_handle();
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_NO_CHECK_TIME);
    // Each connection proves itself anew: a resumed one would not.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
  }

  void accept() {
    if (accepting_ || shaking_.size() >= options_.max_handshakes) return;
    accepting_ = true;
    acceptor_.async_accept([this, alive = alive_](const error_code& error, tcp::socket socket) {
      if (!*alive) return;
      accepting_ = false;
      if (error) {
        // Out of descriptors, or a peer that went at once: neither may become a busy loop.
        retry_ = loop_.after(std::chrono::milliseconds(100), [this] { accept(); });
        return;
      }
      shake(std::move(socket));
      accept();
    });
  }

  void shake(tcp::socket socket) {
    auto connection =
        std::make_shared<TlsConnection>(loop_, tls_, std::move(socket), options_.connection);
    shaking_.insert(connection);
    connection->handshake(ssl::stream_base::server,
                          [this, alive = alive_, connection](const std::string& failure) {
                            if (!*alive) return;
                            shaking_.erase(connection);
                            if (failure.empty()) {
                              connection->read_peer_certificate();
                              accepted_(connection);
                            }
                            accept();
                          });
  }

  Loop& loop_;
  Options options_;
  Accepted accepted_;
  tcp::acceptor acceptor_;
  std::shared_ptr<ssl::context> tls_;
  std::uint16_t port_ = 0;
  bool accepting_ = false;
  Loop::Timer retry_;
  std::unordered_set<std::shared_ptr<TlsConnection>> shaking_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

sdk::Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, Options options,
                                                      Accepted accepted) {
  auto listener = std::make_unique<TlsListener>(loop, std::move(options), std::move(accepted));
  if (auto listening = listener->listen(); !listening) return listening.error();
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace berth::fleet
