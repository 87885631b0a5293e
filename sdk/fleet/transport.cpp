// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/transport.hpp"

#include <array>
#include <deque>
#include <unordered_set>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "berth/v1/plugin.pb.h"
#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/x509.hpp"
#include "sdk/runtime/failpoint.hpp"

namespace berth::fleet {
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kLinger{1'000};

std::string address_text(const tcp::socket& socket) {
  error_code error;
  const auto end = socket.remote_endpoint(error);
  return error ? "?" : end.address().to_string() + ":" + std::to_string(end.port());
}

class TlsConnection final : public Connection, public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(Loop& loop, std::shared_ptr<ssl::context> tls, tcp::socket socket, ConnectionOptions options)
      : loop_(loop),
        tls_(std::move(tls)),
        stream_(std::move(socket), *tls_),
        options_(std::move(options)),
        peer_(address_text(stream_.next_layer())) {}

  // `done` once: empty for success, else why not.
  void handshake(ssl::stream_base::handshake_type side, std::function<void(std::string)> done) {
    error_code ignored;
    stream_.next_layer().set_option(tcp::no_delay(true), ignored);
    stream_.next_layer().set_option(asio::socket_base::keep_alive(true), ignored);
    timer_ = loop_.after(options_.handshake_timeout, [this] { cut(); });
    stream_.async_handshake(side, [self = shared_from_this(), done = std::move(done)](const error_code& error) {
      self->timer_.reset();
      done(error ? "TLS handshake with " + self->peer_ + ": " + error.message() : std::string());
    });
  }

  // What a handshake that nobody waits for any longer ends by.
  void cut() {
    error_code ignored;
    stream_.next_layer().close(ignored);
  }

  SSL* native() { return stream_.native_handle(); }

  // Once the handshake is over.
  void read_peer_certificate() {
    X509* const shown = SSL_get0_peer_certificate(native());
    if (shown && SSL_get_verify_result(native()) == X509_V_OK) peer_certificate_ = fleet::peer_certificate(shown);
  }

  void start(Handlers handlers) override {
    handlers_ = std::move(handlers);
    if (!ended_ && !std::exchange(reading_, true)) read_length();
  }

  using Connection::send;
  void send(const v1::Frame& frame, bool news) override {
    if (ended_ || closing_) return;
    const std::size_t size = frame.ByteSizeLong();
    if (size > kFrameLimit || queued_ + size > options_.queue_limit) {
      return end_soon("too much waits to be sent to " + peer_ + ", or a frame is too large");
    }
    std::string bytes(4 + size, '\0');
    for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>((size >> (24 - 8 * i)) & 0xffU);
    if (!frame.SerializeToArray(bytes.data() + 4, static_cast<int>(size))) return end_soon("a frame cannot be written");
    queued_ += bytes.size();
    queue_.push_back({std::move(bytes), runtime::failpoint::armed ? frame_name(frame) : std::string(), news});
    if (!writing_) write_next();
  }

  void close(const std::string& why) override {
    if (ended_ || closing_) return;
    closing_ = true;
    close_reason_ = why;
    timer_ = loop_.after(kLinger, [self = shared_from_this()] { self->end(self->close_reason_); });
    if (!writing_) end_soon(why);
  }

  void set_frame_limit(std::size_t bytes) override { options_.frame_limit = bytes; }
  std::size_t queued() const override { return queued_; }
  const std::string& peer() const override { return peer_; }
  const std::optional<PeerCertificate>& peer_certificate() const override { return peer_certificate_; }

 private:
  struct Outgoing {
    std::string bytes;
    std::string name;  // only where failpoints are armed
    bool news = false;
  };

  // Two points for each step of a frame: one by its name, and one that only news of a task passes.
  void pass(const char* step, const std::string& frame, bool news) const {
    if (!runtime::failpoint::armed) return;
    runtime::failpoint::pass(options_.name + step + "." + frame);
    if (news) runtime::failpoint::pass(options_.name + step);
  }

  void read_length() {
    asio::async_read(stream_, asio::buffer(length_), [self = shared_from_this()](const error_code& error, std::size_t) {
      if (error) return self->end("the connection ended: " + error.message());
      std::size_t size = 0;
      for (const unsigned char byte : self->length_) size = (size << 8U) | byte;
      if (size == 0 || size > self->options_.frame_limit) {
        return self->end("a frame of " + std::to_string(size) + " bytes, where at most " +
                         std::to_string(self->options_.frame_limit) + " are allowed");
      }
      self->body_.clear();
      self->read_body(size);
    });
  }

  // In pieces, so that announcing much costs the one who announces.
  void read_body(std::size_t left) {
    constexpr std::size_t kPiece = 256 * 1024;
    const std::size_t have = body_.size();
    const std::size_t piece = std::min(left, kPiece);
    body_.resize(have + piece);
    asio::async_read(stream_, asio::buffer(body_.data() + have, piece),
                     [self = shared_from_this(), left, piece](const error_code& error, std::size_t) {
                       if (error) return self->end("the connection ended: " + error.message());
                       if (left > piece) return self->read_body(left - piece);
                       self->deliver();
                     });
  }

  void deliver() {
    if (ended_) return;
    v1::Frame frame;
    if (!frame.ParseFromString(body_)) return end("a frame that is not one");
    if (body_.capacity() > kStrangerFrameLimit) std::string().swap(body_);
    if (!closing_) {
      const std::string name = runtime::failpoint::armed ? frame_name(frame) : std::string();
      const bool news = name == "call-start" || name == "call-stop" || name == "report" || name == "done";
      pass(".before_frame", name, news);
      const auto handler = handlers_.frame;  // `closed` may drop the handlers meanwhile
      if (handler) handler(std::move(frame));
      pass(".after_frame", name, news);
    }
    if (!ended_) read_length();
  }

  void write_next() {
    writing_ = true;
    pass(".before_send", queue_.front().name, queue_.front().news);
    asio::async_write(stream_, asio::buffer(queue_.front().bytes),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        self->writing_ = false;
                        if (error) return self->end("the connection ended: " + error.message());
                        self->pass(".after_send", self->queue_.front().name, self->queue_.front().news);
                        self->queued_ -= self->queue_.front().bytes.size();
                        self->queue_.pop_front();
                        if (self->ended_) return;
                        if (!self->queue_.empty()) return self->write_next();
                        if (self->closing_) self->end(self->close_reason_);
                      });
  }

  // Later: whoever sends does not expect `closed` within the call.
  void end_soon(const std::string& why) {
    closing_ = true;
    close_reason_ = why;
    loop_.post([self = shared_from_this()] { self->end(self->close_reason_); });
  }

  void end(const std::string& why) {
    if (ended_) return;
    ended_ = true;
    timer_.reset();
    // No TLS close_notify: the last frame says good-bye, and waiting for a distrusted peer's would hold the socket.
    cut();
    auto handlers = std::exchange(handlers_, {});
    if (handlers.closed) handlers.closed(closing_ ? close_reason_ : why);
  }

  Loop& loop_;
  std::shared_ptr<ssl::context> tls_;
  ssl::stream<tcp::socket> stream_;
  ConnectionOptions options_;
  std::string peer_;
  std::optional<PeerCertificate> peer_certificate_;
  Handlers handlers_;
  Loop::Timer timer_;
  std::array<unsigned char, 4> length_{};
  std::string body_;
  std::deque<Outgoing> queue_;
  std::size_t queued_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
  std::string close_reason_;
};

std::shared_ptr<ssl::context> tls_context(ssl::context::method method) {
  auto context = std::make_shared<ssl::context>(method);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_3_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

class TlsListener final : public Listener {
 public:
  TlsListener(Loop& loop, Options options, Accepted accepted)
      : loop_(loop), options_(std::move(options)), accepted_(std::move(accepted)), acceptor_(loop.context()) {}

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
    if (error || found.empty()) return sdk::fail(BERTH_INVALID, "cannot listen on " + at.text() + ": " + error.message());
    const tcp::endpoint end = found.begin()->endpoint();
    acceptor_.open(end.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(end, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return sdk::fail(BERTH_UNAVAILABLE, "cannot listen on " + at.text() + ": " + error.message());
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
  // An agent that joins has no certificate yet. Time is not looked at here: one who is late is to hear so, in a frame.
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
    auto connection = std::make_shared<TlsConnection>(loop_, tls_, std::move(socket), options_.connection);
    shaking_.insert(connection);
    connection->handshake(ssl::stream_base::server, [this, alive = alive_, connection](const std::string& failure) {
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

std::string fingerprint_of(X509* certificate) { return to_hex(x509::digest_of(certificate)); }

// A dial under way; the caller's handle is the only lasting reference, so dropping it ends the attempt.
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  Dial(Loop& loop, DialOptions options, Dialled done)
      : loop_(loop), options_(std::move(options)), done_(std::move(done)), resolver_(loop.context()), socket_(loop.context()) {}

  ~Dial() {
    if (connection_) connection_->cut();
  }

  void start() {
    timer_ = loop_.after(options_.timeout, [this] {
      finish(sdk::fail(BERTH_DEADLINE, options_.endpoint.text() + " does not answer"));
    });
    resolver_.async_resolve(options_.endpoint.host, std::to_string(options_.endpoint.port),
                            [weak = weak_from_this()](const error_code& error, const tcp::resolver::results_type& found) {
                              if (const auto self = weak.lock()) self->resolved(error, found);
                            });
  }

 private:
  void resolved(const error_code& error, const tcp::resolver::results_type& found) {
    if (error) return finish(unreachable(error));
    asio::async_connect(socket_, found, [weak = weak_from_this()](const error_code& failure, const tcp::endpoint&) {
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
    // Trust is the pinned CA and nothing else: the chain's end must be it, and everything below must verify by it.
    tls->set_verify_callback([pin = options_.fingerprint](bool verified, ssl::verify_context& context) {
      X509_STORE_CTX* store = context.native_handle();
      if (verified) return true;
      return X509_STORE_CTX_get_error(store) == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN &&
             equal_secrets(fingerprint_of(X509_STORE_CTX_get_current_cert(store)), pin);
    });
    connection_ = std::make_shared<TlsConnection>(loop_, std::move(tls), std::move(socket_), options_.connection);
    connection_->handshake(ssl::stream_base::client, [weak = weak_from_this()](const std::string& failure) {
      if (const auto self = weak.lock()) self->shaken(failure);
    });
  }

  bool show_certificate(ssl::context& tls) const {
    if (options_.certificate.empty()) return true;
    const auto certificate = x509::certificate_of_der(options_.certificate);
    const auto key = x509::key_of_der(options_.key);
    return certificate && key && SSL_CTX_use_certificate(tls.native_handle(), certificate.get()) == 1 &&
           SSL_CTX_use_PrivateKey(tls.native_handle(), key.get()) == 1;
  }

  void shaken(const std::string& failure) {
    if (!failure.empty()) return finish(sdk::fail(BERTH_DENIED, failure));
    // Said again outright, so that no slip in the callback's logic lets a secret out.
    const STACK_OF(X509)* chain = SSL_get0_verified_chain(connection_->native());
    const int depth = chain ? sk_X509_num(chain) : 0;
    if (depth != 2 || !equal_secrets(fingerprint_of(sk_X509_value(chain, depth - 1)), options_.fingerprint)) {
      return finish(sdk::fail(BERTH_DENIED, "the server at " + options_.endpoint.text() +
                                                " does not have the certificate that the join token names"));
    }
    finish(std::shared_ptr<Connection>(std::exchange(connection_, nullptr)));
  }

  sdk::Error unreachable(const error_code& error) const {
    return sdk::fail(BERTH_UNAVAILABLE, "cannot reach " + options_.endpoint.text() + ": " + error.message());
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
};

}  // namespace

std::string Endpoint::text() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

sdk::Result<Endpoint> Endpoint::parse(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto bad = sdk::fail(BERTH_INVALID, "'" + text + "' is not of the form HOST:PORT");
  if (colon == std::string::npos || colon + 1 == text.size() || text.size() - colon > 6) return bad;
  Endpoint end{text.substr(0, colon), 0};
  unsigned port = 0;
  for (const char c : text.substr(colon + 1)) {
    if (c < '0' || c > '9') return bad;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port > 65535) return bad;
  end.port = static_cast<std::uint16_t>(port);
  if (end.host.starts_with('[') && end.host.ends_with(']')) {
    end.host = end.host.substr(1, end.host.size() - 2);
  } else if (end.host.find(':') != std::string::npos) {
    return bad;
  }
  return end;
}

sdk::Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, Options options, Accepted accepted) {
  auto listener = std::make_unique<TlsListener>(loop, std::move(options), std::move(accepted));
  if (auto listening = listener->listen(); !listening) return listening.error();
  return std::unique_ptr<Listener>(std::move(listener));
}

std::shared_ptr<void> dial(Loop& loop, const DialOptions& options, Dialled done) {
  auto attempt = std::make_shared<Dial>(loop, options, std::move(done));
  attempt->start();
  return attempt;
}

std::string frame_name(const v1::Frame& frame) {
  switch (frame.body_case()) {
    case v1::Frame::kJoin: return "join";
    case v1::Frame::kJoined: return "joined";
    case v1::Frame::kHello: return "hello";
    case v1::Frame::kWelcome: return "welcome";
    case v1::Frame::kGoodbye: return "goodbye";
    case v1::Frame::kHeartbeat: return "heartbeat";
    case v1::Frame::kRegistration: return "registration";
    case v1::Frame::kCancel: return "cancel";
    case v1::Frame::kDone: return "done";
    case v1::Frame::kChunk: return "chunk";
    case v1::Frame::kCredit: return "credit";
    case v1::Frame::kReport: return "report";
    case v1::Frame::kReportAck: return "report-ack";
    case v1::Frame::kAsk: return "ask";
    case v1::Frame::kAnswer: return "answer";
    case v1::Frame::kRenew: return "renew";
    case v1::Frame::kRenewal: return "renewal";
    case v1::Frame::kCertificate: return "certificate";
    case v1::Frame::kInterfaces:
      return "interfaces";
    case v1::Frame::kPeers:
      return "peers";
    case v1::Frame::kInput: return "input";
    case v1::Frame::kCall: break;
    case v1::Frame::BODY_NOT_SET: return "unknown";
  }
  switch (frame.call().method()) {
    case berth::v1::METHOD_LAUNCH_START: return "call-start";
    case berth::v1::METHOD_LAUNCH_STOP: return "call-stop";
    case berth::v1::METHOD_LAUNCH_LIST_OWNED: return "call-list";
    case berth::v1::METHOD_LAUNCH_FORGET: return "call-forget";
    case berth::v1::METHOD_LAUNCH_LOGS: return "call-logs";
    default: return "call";
  }
}

}  // namespace berth::fleet
