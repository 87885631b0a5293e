// SPDX-License-Identifier: Apache-2.0
#include "core/cli/exec_session.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/websocket/error.hpp>
#include <optional>

#include "core/cli/exec_ends.hpp"
#include "core/cli/terminal.hpp"
#include "core/model/exec_frames.hpp"
#include "core/net/await.hpp"
#include "core/net/dial.hpp"
#include "core/net/websocket.hpp"

namespace berth::cli {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using net::into;

constexpr std::uint32_t kWindow = 256 * 1024;  // of output that is on its way here
constexpr std::chrono::seconds kConnect{5};
constexpr std::chrono::seconds kHandshake{30};
constexpr std::chrono::seconds kIdle{75};

struct Address {
  bool tls = false;
  std::string host;  // without brackets
  std::string port;
  std::string named;  // as the Host header says it
};

Address address_of(const std::string& url) {
  Address address;
  const auto scheme = url.find("://");
  address.tls = url.starts_with("https://");
  std::string rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  address.named = rest;
  const auto colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  address.host = has_port ? rest.substr(0, colon) : rest;
  address.port = has_port ? rest.substr(colon + 1) : address.tls ? "443" : "80";
  if (address.host.starts_with('[')) address.host = address.host.substr(1, address.host.size() - 2);
  return address;
}

const char* name_of(int signo) {
  return signo == SIGINT ? "INT" : "TERM";
}

class Session {
 public:
  Session(asio::io_context& io, const ApiOptions& api, const ExecWish& wish)
      : io_(io), api_(api), wish_(wish), wake_(io), signals_(io) {}

  // `tls` is null for plain HTTP.
  asio::awaitable<void> run(asio::ssl::context* tls) {
    if (!co_await connect(tls)) co_return;
    std::optional<RawTerminal> raw;
    if (wish_.terminal) raw.emplace();
    writer_.emplace([this](std::uint32_t bytes) { post(exec::Credit{bytes}); });
    if (wish_.input) {
      reader_.emplace([this](std::string piece) {
        if (piece.empty()) return post(exec::EndOfInput{});
        post(exec::Data{std::move(piece)});
      });
    }
    listen_to_signals();
    outbox_.push_back(exec::Credit{kWindow});
    asio::co_spawn(io_, talk(), asio::detached);
    co_await hear();
    done_ = true;
    reader_.reset();
    writer_.reset();
    error_code ignored;
    signals_.cancel(ignored);
    wake_.cancel();
    stream_->close();
  }

  [[nodiscard]] Result<int> outcome() const { return outcome_; }

 private:
  void fail_with(const std::string& why) {
    outcome_ = fail(Errc::Unavailable, "cannot reach the API at " + api_.url + ": " + why + ".");
  }

  asio::awaitable<bool> connect(asio::ssl::context* tls) {
    const Address address = address_of(api_.url);
    // Not within the call: g++ 12 copies what is made of braces there without its constructors.
    net::Dial to{.host = address.host, .port = address.port, .limit = kConnect, .tls = tls};
    auto dialled = co_await net::dial(io_.get_executor(), std::move(to));
    if (!dialled.stream) {
      const char* hint = " (name the certificate authority that signed it by --ca)";
      fail_with(dialled.error.message() + (dialled.at_handshake ? hint : ""));
      co_return false;
    }
    stream_ = std::move(dialled.stream);
    co_return co_await upgrade(address);
  }

  asio::awaitable<bool> upgrade(Address address) {
    const GetRequest request{address.named, "/berth/v1/exec", wish_.query};
    const SignedHeaders headers = sign_get(request, api_, std::time(nullptr));
    socket_.emplace(
        *stream_, net::Websocket::Bounds{
                      .handshake = kHandshake, .idle = kIdle, .message_bytes = exec::kMessageMax});
    net::Websocket::Asked asked{
        .host = address.named,
        .target = request.path + "?" + query_text(request.query),
        .fields = {{"X-Amz-Date", headers.date},
                   {"Authorization", headers.authorization},
                   {"Sec-WebSocket-Protocol", std::string(exec::kSubprotocol)}}};
    net::Websocket::Answer answer;
    error_code ec;
    co_await socket_->ask(std::move(asked), answer, ec);
    if (!ec) co_return true;
    if (ec == boost::beast::websocket::error::upgrade_declined) {
      outcome_ = refusal(static_cast<long>(answer.status), answer.body);
    } else {
      fail_with(ec.message());
    }
    co_return false;
  }

  // From any thread.
  void post(exec::Frame frame) {
    asio::post(io_, [this, frame = std::move(frame)]() mutable {
      outbox_.push_back(std::move(frame));
      wake_.cancel();
    });
  }

  asio::awaitable<void> talk() {
    while (!done_) {
      error_code ec;
      if (outbox_.empty()) {
        wake_.expires_at(asio::steady_timer::time_point::max());
        co_await wake_.async_wait(into(ec));
        continue;
      }
      const std::string message = exec::encode(outbox_.front());
      outbox_.pop_front();
      co_await socket_->write(message, ec);
      if (ec) co_return;  // the reading side tells
    }
  }

  asio::awaitable<void> hear() {
    outcome_ = fail(Errc::Unavailable, "the control plane was lost; the command is ended.");
    for (;;) {
      error_code ec;
      const std::string_view message = co_await socket_->read(ec);
      if (ec) {
        const std::string why(socket_->peer_reason());
        if (!why.empty() && !ended_) {
          outcome_ = fail(Errc::Unavailable, "the control plane ended the session: " + why);
        }
        co_return;
      }
      if (auto frame = exec::decode(message)) take(std::move(*frame));
    }
  }

  void take(exec::Frame frame) {
    if (auto* data = std::get_if<exec::Data>(&frame)) {
      writer_->write(STDOUT_FILENO, std::move(data->bytes));
    } else if (auto* errors = std::get_if<exec::Errors>(&frame)) {
      writer_->write(STDERR_FILENO, std::move(errors->bytes));
    } else if (const auto* credit = std::get_if<exec::Credit>(&frame)) {
      if (reader_) reader_->grant(credit->bytes);
    } else if (const auto* exit = std::get_if<exec::Exit>(&frame)) {
      end(exit->code);
    } else if (const auto* failure = std::get_if<exec::Failure>(&frame)) {
      end(fail(Errc::Unavailable, failure->message));
    }
  }

  void end(Result<int> outcome) {
    outcome_ = std::move(outcome);
    ended_ = true;
  }

  void listen_to_signals() {
    error_code ignored;
    signals_.add(SIGINT, ignored);
    signals_.add(SIGTERM, ignored);
    if (wish_.terminal) signals_.add(SIGWINCH, ignored);
    if (wish_.terminal) signals_.add(SIGHUP, ignored);
    await_signal();
  }

  void await_signal() {
    signals_.async_wait([this](error_code ec, int signo) {
      if (ec || done_) return;
      if (signo == SIGWINCH) {
        const TerminalSize size = terminal_size(STDIN_FILENO);
        post(exec::Resize{size.rows, size.columns});
      } else if (wish_.terminal) {
        end(128 + signo);
        stream_->close();
      } else {
        post(exec::Signal{name_of(signo)});
      }
      await_signal();
    });
  }

  asio::io_context& io_;
  const ApiOptions& api_;
  const ExecWish& wish_;
  asio::steady_timer wake_;
  asio::signal_set signals_;
  std::unique_ptr<net::ByteStream> stream_;
  std::optional<net::Websocket> socket_;  // over the stream
  std::deque<exec::Frame> outbox_;
  std::optional<OutputWriter> writer_;
  std::optional<InputReader> reader_;
  Result<int> outcome_ = 0;
  bool ended_ = false;
  bool done_ = false;
};

Result<int> run_on(asio::io_context& io, asio::ssl::context* tls, const ApiOptions& api,
                   const ExecWish& wish) {
  Session session(io, api, wish);
  // The websocket's own timer may be waiting still, for half a minute and more.
  asio::co_spawn(io, session.run(tls), [&io](const std::exception_ptr& thrown) {
    io.stop();
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
  return session.outcome();
}

}  // namespace

Result<int> run_exec(const ApiOptions& api, const ExecWish& wish) {
  asio::io_context io(1);
  if (!api.url.starts_with("https://")) return run_on(io, nullptr, api, wish);
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code ec;
  context.set_default_verify_paths(ec);
  if (!api.ca_file.empty()) context.load_verify_file(api.ca_file, ec);
  if (ec)
    return fail(Errc::Invalid,
                "cannot read the certificates in " + api.ca_file + ": " + ec.message());
  context.set_verify_mode(asio::ssl::verify_peer);
  return run_on(io, &context, api, wish);
}

}  // namespace berth::cli
