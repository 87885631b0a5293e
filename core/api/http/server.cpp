// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "core/api/http/session.hpp"

namespace berth::api::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr milliseconds kAcceptPause{100};

tl::unexpected<Error> refuse_to_listen(const tcp::endpoint& endpoint, const error_code& ec) {
  const std::string where = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
  if (ec == asio::error::address_in_use) {
    return fail(Errc::AlreadyExists, "Cannot listen on " + where + ": the port is in use.",
                Subject::None, where);
  }
  const Errc code = ec == asio::error::access_denied ? Errc::Denied : Errc::Invalid;
  return fail(code, "Cannot listen on " + where + ": " + ec.message() + ".", Subject::None, where);
}

Result<void> load_certificate(asio::ssl::context& tls, const Options& options) {
  error_code ec;
  tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1,
                  ec);
  tls.use_certificate_chain_file(options.tls_certificate, ec);
  if (ec) {
    return fail(Errc::Invalid,
                "Cannot read the TLS certificate " + options.tls_certificate + ": " + ec.message(),
                Subject::None, options.tls_certificate);
  }
  tls.use_private_key_file(options.tls_key, asio::ssl::context::pem, ec);
  if (ec) {
    return fail(Errc::Invalid, "Cannot read the TLS key " + options.tls_key + ": " + ec.message(),
                Subject::None, options.tls_key);
  }
  return {};
}

}  // namespace

class Server::Impl {
 public:
  Impl(Options options, Handler handler)
      : io_(std::make_shared<asio::io_context>()),
        site_(std::make_shared<Site>(Site{std::move(options), std::move(handler), io_})),
        acceptor_(asio::make_strand(*io_)),
        pause_(acceptor_.get_executor()) {}
  ~Impl() { stop(); }

  Result<void> listen() {
    const Options& options = site_->options;
    error_code ec;
    const auto address = asio::ip::make_address(options.address, ec);
    if (ec) {
      return fail(Errc::Invalid, "'" + options.address + "' is no IP address to listen on.",
                  Subject::None, options.address);
    }
    if (!options.tls_certificate.empty()) {
      tls_.emplace(asio::ssl::context::tls_server);
      if (auto loaded = load_certificate(*tls_, options); !loaded) return loaded;
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec && address.is_v6()) acceptor_.set_option(asio::ip::v6_only(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return refuse_to_listen(endpoint, ec);
    port_ = acceptor_.local_endpoint().port();
    accept();
    for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { io_->run(); });
    return {};
  }

  void stop() {
    if (threads_.empty()) return;
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      for (const auto& [id, session] : sessions_) tell(session, &Session::stop);
      ended_.wait_for(lock, site_->options.stop_grace, [this] { return sessions_.empty(); });
      for (const auto& [id, session] : sessions_) tell(session, &Session::cut);
      ended_.wait(lock, [this] { return sessions_.empty(); });
    }
    // Nothing is left that waits on the context: its threads run out of work.
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const {
    const std::lock_guard lock(mutex_);
    return sessions_.size();
  }
  [[nodiscard]] std::weak_ptr<asio::io_context> io() const { return io_; }

 private:
  static void tell(const std::weak_ptr<Session>& session, void (Session::*what)()) {
    if (auto alive = session.lock()) ((*alive).*what)();
  }

  void accept() {
    acceptor_.async_accept(asio::make_strand(*io_), [this](error_code ec, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!ec) {
        admit(std::move(socket));
        return accept();
      }
      // Out of descriptors, mostly: trying again at once would only spin.
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](error_code) {
        if (acceptor_.is_open()) accept();
      });
    });
  }

  void admit(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (sessions_.size() >= site_->options.connections) {
      if (tls_) return;  // before the handshake there is no way to say it
      static constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kFull), ignored);
      return;
    }
    const std::uint64_t id = ++last_id_;
    auto stream = net::plain_stream(std::move(socket));
    if (tls_) stream = net::tls_server_stream(std::move(stream), *tls_);
    // The entry is there before the session can end: its end waits for this lock.
    sessions_[id] = start_session(std::move(stream), site_, [this, id] {
      const std::lock_guard inner(mutex_);
      sessions_.erase(id);
      ended_.notify_all();
    });
  }

  std::shared_ptr<asio::io_context> io_;
  std::shared_ptr<Site> site_;
  std::optional<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::uint64_t, std::weak_ptr<Session>> sessions_;
  std::uint64_t last_id_ = 0;
  bool stopping_ = false;
};

Result<std::unique_ptr<Server>> Server::start(Options options, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  if (auto listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
std::uint16_t Server::port() const {
  return impl_->port();
}
std::size_t Server::connections() const {
  return impl_->connections();
}
void Server::stop() {
  impl_->stop();
}

std::function<void(std::function<void()>)> Server::executor() const {
  return [weak = impl_->io()](std::function<void()> work) {
    if (auto io = weak.lock()) asio::post(*io, std::move(work));
  };
}

}  // namespace berth::api::http
