// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>

#include "core/api/http/converse.hpp"
#include "core/api/http/line.hpp"
#include "core/api/http/send.hpp"
#include "core/net/await.hpp"

namespace berth::api::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bh = boost::beast::http;
using boost::system::error_code;
using net::into;
using Message = bh::request<bh::string_body>;

constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr std::chrono::seconds kLinger{2};
// A client that closes its side may still read: so long it may wait for its answer.
constexpr std::chrono::seconds kHalfClosed{1};

// How a broken request is called in a response; 0: there is nobody to answer.
int status_of(const error_code& ec) {
  if (ec == bh::error::header_limit || ec == bh::error::buffer_overflow) return 431;
  if (ec == bh::error::body_limit) return 413;
  if (ec == bh::error::end_of_stream || ec == bh::error::partial_message) return 0;
  return ec.category() == make_error_code(bh::error::bad_method).category() ? 400 : 0;
}

Request to_request(Message&& message) {
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    request.headers.push_back({std::move(name), std::string(field.value())});
  }
  request.body = std::move(message.body());
  return request;
}

class Connection final : public Session, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Line> line, std::function<void()> ended)
      : line_(std::move(line)), ended_(std::move(ended)) {}

  void start() { asio::co_spawn(executor(), run(shared_from_this()), asio::detached); }
  void stop() override {
    asio::post(executor(), [self = shared_from_this()] {
      self->line_->stopping = true;
      if (self->idle_) self->stream().close();
      if (self->line_->streaming) self->line_->signal();
    });
  }
  void cut() override {
    asio::post(executor(), [self = shared_from_this()] {
      self->line_->stopping = true;
      self->line_->cut = true;
      self->stream().close();
      self->line_->signal();
    });
  }

 private:
  using Self = std::shared_ptr<Connection>;

  [[nodiscard]] asio::any_io_executor executor() const { return line_->stream().get_executor(); }
  net::ByteStream& stream() { return line_->stream(); }
  [[nodiscard]] const Options& options() const { return line_->options(); }

  static asio::awaitable<void> run(Self self) {
    co_await self->serve();
    self->stream().close();
    self->ended_();
  }

  asio::awaitable<void> serve() {
    error_code ec;
    stream().expires_after(options().read_timeout);
    co_await stream().async_handshake(into(ec));
    if (ec) co_return;
    milliseconds patience = options().read_timeout;
    while (!line_->stopping) {
      if (!co_await first_byte(patience)) break;
      patience = options().idle_timeout;
      stream().expires_after(options().read_timeout);
      bh::request_parser<bh::string_body> parser;
      parser.header_limit(static_cast<std::uint32_t>(options().header_bytes));
      parser.body_limit(options().body_bytes);
      co_await read(parser, ec);
      if (ec) {
        const int status = status_of(ec);
        if (status != 0) co_await turn_away(status, ec.message());
        co_return;
      }
      if (!co_await answer(parser.release())) break;
    }
    if (stream().secure()) co_await end_tls();
  }

  asio::awaitable<void> end_tls() {
    // It would keep the shutdown waiting for the peer. Between two reads of TLS's there is nothing
    // to be cancelled for a moment.
    while (line_->reading) {
      stream().cancel();
      co_await line_->wait(kLinger);
    }
    if (line_->cut) co_return;
    error_code ignored;
    stream().expires_after(kLinger);
    co_await stream().async_shutdown(into(ignored));
  }

  // A connection may idle between requests, but once a request has begun it has read_timeout for
  // the whole of it.
  asio::awaitable<bool> first_byte(milliseconds patience) {
    auto& buffer = line_->buffer;
    if (buffer.size() > 0) co_return true;
    if (line_->gone) co_return false;
    error_code ec;
    idle_ = true;
    if (line_->reading) {
      co_await line_->wait_until([this] { return !line_->reading; }, patience);
      idle_ = false;
      co_return buffer.size() > 0;
    }
    stream().expires_after(patience);
    const std::size_t size = co_await stream().async_read_some(buffer.prepare(4096), into(ec));
    idle_ = false;
    buffer.commit(size);
    co_return !ec && size > 0;
  }

  asio::awaitable<void> read(bh::request_parser<bh::string_body>& parser, error_code& ec) {
    co_await bh::async_read_header(stream(), line_->buffer, parser, into(ec));
    if (ec) co_return;
    const bool waits = beast::iequals(parser.get()[bh::field::expect], "100-continue");
    if (waits) co_await send_continue(line_, ec);
    if (ec) co_return;
    co_await bh::async_read(stream(), line_->buffer, parser, into(ec));
  }

  // False where the connection ends.
  asio::awaitable<bool> answer(Message message) {
    const bool keep = message.keep_alive();
    const unsigned version = message.version();
    net::Websocket::Request head(message.base());
    const bool upgrade = beast::websocket::is_upgrade(head);
    ask(std::move(message));
    if (!upgrade) line_->watch_peer();  // else the websocket reads
    co_await line_->wait_until([this] { return answer_ || line_->cut || line_->gone; },
                               options().answer_timeout);
    if (line_->gone) {
      co_await line_->wait_until([this] { return answer_ || line_->cut; }, kHalfClosed);
    }
    ++asked_;  // an answer that comes now comes too late
    if (line_->cut || (line_->gone && !answer_)) co_return false;
    if (!answer_) answer_ = options().refuse(503, "The request was not answered in time.");
    if (answer_->conversation && upgrade) {
      co_await converse(line_, std::move(*answer_), std::move(head));
      co_return false;
    }
    if (answer_->stream) {
      co_await send_stream(line_, std::move(*answer_), version);
      co_return false;
    }
    co_return co_await send(line_, std::move(*answer_),
                            {.version = version, .keep_alive = keep && !line_->stopping});
  }

  void ask(Message message) {
    answer_.reset();
    const std::uint64_t number = ++asked_;
    line_->site().handler(
        to_request(std::move(message)), [weak = weak_from_this(), number](Response response) {
          Self self = weak.lock();
          if (!self) return;
          const auto executor = self->executor();
          asio::post(executor,
                     [self = std::move(self), number, response = std::move(response)]() mutable {
                       if (self->asked_ != number || self->answer_) return;
                       self->answer_ = std::move(response);
                       self->line_->signal();
                     });
        });
  }

  // Answers what is no request and closes. Bytes still on their way are read off first: closing
  // with unread bytes resets the connection, and the client would never see the answer.
  asio::awaitable<void> turn_away(int status, std::string reason) {
    co_await send(line_, options().refuse(status, std::move(reason)), {});
    error_code ec;
    if (!stream().secure()) co_await stream().async_shutdown(into(ec));
    stream().expires_after(kLinger);
    line_->buffer.clear();
    std::size_t read = 0;
    while (!ec && read < kLingerBytes) {
      read += co_await stream().async_read_some(line_->buffer.prepare(4096), into(ec));
    }
  }

  std::shared_ptr<Line> line_;
  std::function<void()> ended_;
  std::optional<Response> answer_;
  std::uint64_t asked_ = 0;
  bool idle_ = false;
};

}  // namespace

std::shared_ptr<Session> start_session(std::unique_ptr<net::ByteStream> stream,
                                       std::shared_ptr<const Site> site,
                                       std::function<void()> ended) {
  auto line = std::make_shared<Line>(std::move(site), std::move(stream));
  auto session = std::make_shared<Connection>(std::move(line), std::move(ended));
  session->start();
  return session;
}

}  // namespace berth::api::http
