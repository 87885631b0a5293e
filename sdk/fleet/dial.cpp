// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>

#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/tls_connection.hpp"
#include "sdk/fleet/x509.hpp"

namespace berth::fleet {
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

std::string fingerprint_of(X509* certificate) {
  return to_hex(x509::digest_of(certificate));
}

// A dial under way; the caller's handle is the only lasting reference, so dropping it ends the
// attempt.
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  Dial(Loop& loop, DialOptions options, Dialled done)
      : loop_(loop),
        options_(std::move(options)),
        done_(std::move(done)),
        resolver_(loop.context()),
        socket_(loop.context()) {}

  ~Dial() {
    if (connection_) connection_->cut();
  }

  void start() {
    timer_ = loop_.after(options_.timeout, [this] {
      finish(sdk::fail(BERTH_DEADLINE, options_.endpoint.text() + " does not answer"));
    });
    resolver_.async_resolve(options_.endpoint.host, std::to_string(options_.endpoint.port),
                            [weak = weak_from_this()](const error_code& error,
                                                      const tcp::resolver::results_type& found) {
                              if (const auto self = weak.lock()) self->resolved(error, found);
                            });
  }

 private:
  void resolved(const error_code& error, const tcp::resolver::results_type& found) {
    if (error) return finish(unreachable(error));
    asio::async_connect(socket_, found,
                        [weak = weak_from_this()](const error_code& failure, const tcp::endpoint&) {
                          if (const auto self = weak.lock()) self->connected(failure);
                        });
  }

  void connected(const error_code& error) {
    if (error) return finish(unreachable(error));
    auto tls = tls_context(ssl::context::tls_client);
    if (!show_certificate(*tls)) {
      return finish(sdk::fail(BERTH_INVALID, "this agent's certificate and key cannot be used"));
    }
    tls->set_verify_mode(ssl::verify_peer);
    // Trust is the pinned CA and nothing else: the chain's end must be it, and everything below
    // must verify by it.
    tls->set_verify_callback([pin = options_.fingerprint, refused = refused_](
                                 bool verified, ssl::verify_context& context) {
      X509_STORE_CTX* store = context.native_handle();
      if (verified) return true;
      const int error = X509_STORE_CTX_get_error(store);
      if (error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN &&
          equal_secrets(fingerprint_of(X509_STORE_CTX_get_current_cert(store)), pin)) {
        return true;
      }
      *refused = error;
      return false;
    });
    connection_ = std::make_shared<TlsConnection>(loop_, std::move(tls), std::move(socket_),
                                                  options_.connection);
    connection_->handshake(ssl::stream_base::client,
                           [weak = weak_from_this()](const std::string& failure) {
                             if (const auto self = weak.lock()) self->shaken(failure);
                           });
  }

  bool show_certificate(ssl::context& tls) const {
    if (options_.certificate.empty()) return true;
    const auto certificate = x509::certificate_of_der(options_.certificate);
    const auto key = x509::key_of_der(options_.key);
    return certificate && key &&
           SSL_CTX_use_certificate(tls.native_handle(), certificate.get()) == 1 &&
           SSL_CTX_use_PrivateKey(tls.native_handle(), key.get()) == 1;
  }

  void shaken(const std::string& failure) {
    if (!failure.empty()) return finish(distrust(failure));
    // Said again outright, so that no slip in the callback's logic lets a secret out.
    const STACK_OF(X509)* chain = SSL_get0_verified_chain(connection_->native());
    const int depth = chain ? sk_X509_num(chain) : 0;
    if (depth != 2 ||
        !equal_secrets(fingerprint_of(sk_X509_value(chain, depth - 1)), options_.fingerprint)) {
      return finish(stranger());
    }
    finish(std::shared_ptr<Connection>(std::exchange(connection_, nullptr)));
  }

  sdk::Error stranger() const {
    return sdk::fail(BERTH_DENIED, options_.endpoint.text() +
                                       " is not the control plane of this join token: the "
                                       "fingerprint of its CA is another");
  }

  // Whoever has made a mistake with a token, a port or a clock is to see it from this.
  sdk::Error distrust(const std::string& failure) const {
    switch (*refused_) {
      case X509_V_OK:
        return sdk::fail(BERTH_DENIED, failure);
      case X509_V_ERR_CERT_HAS_EXPIRED:
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return sdk::fail(BERTH_DENIED, options_.endpoint.text() +
                                           " shows a certificate that is not valid now: compare "
                                           "the clocks of the two hosts");
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return stranger();
      default:
        return sdk::fail(BERTH_DENIED, failure + ": " + X509_verify_cert_error_string(*refused_));
    }
  }

  sdk::Error unreachable(const error_code& error) const {
    return sdk::fail(BERTH_UNAVAILABLE,
                     "cannot reach " + options_.endpoint.text() + ": " + error.message());
  }

  void finish(sdk::Result<std::shared_ptr<Connection>> result) {
    timer_.reset();
    const auto self = weak_from_this().lock();  // `done` may drop the handle
    if (auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  Loop& loop_;
  DialOptions options_;
  Dialled done_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  Loop::Timer timer_;
  std::shared_ptr<TlsConnection> connection_;
  std::shared_ptr<int> refused_ = std::make_shared<int>(X509_V_OK);  // why its certificate was
};

}  // namespace

std::shared_ptr<void> dial(Loop& loop, const DialOptions& options, Dialled done) {
  auto attempt = std::make_shared<Dial>(loop, options, std::move(done));
  attempt->start();
  return attempt;
}

}  // namespace berth::fleet
