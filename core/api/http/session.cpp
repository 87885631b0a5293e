// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <optional>

namespace berth::api::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bh = boost::beast::http;
namespace bw = boost::beast::websocket;
using beast::error_code;
using Plain = beast::tcp_stream;
using Tls = beast::ssl_stream<beast::tcp_stream>;

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

Request to_request(bh::request<bh::string_body>&& message) {
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

template <typename Stream>
class Connection final : public Session, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <typename... Args>
  Connection(std::shared_ptr<const Site> site, std::function<void()> ended,
             asio::ip::tcp::socket socket, Args&... tls)
      : site_(std::move(site)),
        ended_(std::move(ended)),
        stream_(Plain(std::move(socket)), tls...),
        wake_(stream_.get_executor()),
        buffer_(site_->options.header_bytes + 4096) {}

  void start() {
    asio::co_spawn(stream_.get_executor(), run(this->shared_from_this()), asio::detached);
  }
  void stop() override {
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
      self->stopping_ = true;
      if (self->idle_) self->lowest().close();
      if (self->streaming_) self->signal();
    });
  }
  void cut() override {
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
      self->stopping_ = true;
      self->cut_ = true;
      self->lowest().close();
      self->signal();
    });
  }

 private:
  using Self = std::shared_ptr<Connection>;
  static constexpr bool kTls = std::is_same_v<Stream, Tls>;

  static auto into(error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }
  Plain& lowest() { return beast::get_lowest_layer(stream_); }
  const Options& options() const { return site_->options; }

  void signal() {
    signalled_ = true;
    wake_.cancel();
  }
  // Until signal() or the limit.
  asio::awaitable<void> wait(milliseconds limit) {
    if (!signalled_) {
      error_code ignored;
      wake_.expires_after(limit);
      co_await wake_.async_wait(into(ignored));
    }
    signalled_ = false;
  }

  // Until what is waited for is so, or the limit; each step of it is signalled.
  template <typename Done>
  asio::awaitable<void> wait_until(Done done, milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
      if (left <= milliseconds(0)) co_return;
      co_await wait(left);
    }
  }

  static asio::awaitable<void> run(Self self) {
    co_await self->serve();
    self->lowest().close();
    self->ended_();
  }

  asio::awaitable<void> serve() {
    error_code ec;
    if constexpr (kTls) {
      lowest().expires_after(options().read_timeout);
      co_await stream_.async_handshake(asio::ssl::stream_base::server, into(ec));
      if (ec) co_return;
    }
    milliseconds patience = options().read_timeout;
    while (!stopping_) {
      if (!co_await first_byte(patience)) break;
      patience = options().idle_timeout;
      lowest().expires_after(options().read_timeout);
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
    if constexpr (kTls) {
      if (reading_) lowest().cancel();  // it would keep the shutdown waiting for the peer
      while (reading_) co_await wait(kLinger);
      if (cut_) co_return;
      lowest().expires_after(kLinger);
      co_await stream_.async_shutdown(into(ec));
    }
  }

  // A connection may idle between requests, but once a request has begun it has read_timeout for
  // the whole of it.
  asio::awaitable<bool> first_byte(milliseconds patience) {
    if (buffer_.size() > 0) co_return true;
    if (gone_) co_return false;
    error_code ec;
    idle_ = true;
    if (reading_) {
      co_await wait_until([this] { return !reading_; }, patience);
      idle_ = false;
      co_return buffer_.size() > 0;
    }
    lowest().expires_after(patience);
    const std::size_t size = co_await stream_.async_read_some(buffer_.prepare(4096), into(ec));
    idle_ = false;
    buffer_.commit(size);
    co_return !ec && size > 0;
  }

  asio::awaitable<void> read(bh::request_parser<bh::string_body>& parser, error_code& ec) {
    co_await bh::async_read_header(stream_, buffer_, parser, into(ec));
    if (ec) co_return;
    if (beast::iequals(parser.get()[bh::field::expect], "100-continue")) {
      bh::response<bh::empty_body> go_on(bh::status::continue_, 11);
      co_await bh::async_write(stream_, go_on, into(ec));
      if (ec) co_return;
    }
    co_await bh::async_read(stream_, buffer_, parser, into(ec));
  }

  // False where the connection ends.
  asio::awaitable<bool> answer(bh::request<bh::string_body> message) {
    const bool keep = message.keep_alive();
    const unsigned version = message.version();
    const bh::request<bh::empty_body> head(message.base());
    const bool upgrade = bw::is_upgrade(head);
    answer_.reset();
    const std::uint64_t number = ++asked_;
    site_->handler(
        to_request(std::move(message)), [weak = this->weak_from_this(), number](Response response) {
          Self self = weak.lock();
          if (!self) return;
          const auto executor = self->stream_.get_executor();
          asio::post(executor,
                     [self = std::move(self), number, response = std::move(response)]() mutable {
                       if (self->asked_ != number || self->answer_) return;
                       self->answer_ = std::move(response);
                       self->signal();
                     });
        });
    if (!upgrade) watch_peer();  // else the websocket reads
    co_await wait_until([this] { return answer_ || cut_ || gone_; }, options().answer_timeout);
    if (gone_) co_await wait_until([this] { return answer_ || cut_; }, kHalfClosed);
    ++asked_;  // an answer that comes now comes too late
    if (cut_ || (gone_ && !answer_)) co_return false;
    if (!answer_) answer_ = options().refuse(503, "The request was not answered in time.");
    if (answer_->conversation && upgrade) {
      co_await converse(std::move(*answer_), head);
      co_return false;
    }
    if (answer_->stream) {
      co_await send_stream(std::move(*answer_), version);
      co_return false;
    }
    co_return co_await send(std::move(*answer_), keep && !stopping_, version);
  }

  template <typename Message>
  void fill(Message& message, const Response& response) {
    message.set(bh::field::server, "berth");
    message.set(bh::field::date, http_date(options().now()));
    message.set(bh::field::content_type, response.content_type);
    for (const Header& header : response.headers) message.set(header.name, header.value);
  }

  asio::awaitable<bool> send(Response response, bool keep, unsigned version) {
    bh::response<bh::string_body> message(static_cast<bh::status>(response.status), version);
    fill(message, response);
    message.body() = std::move(response.body);
    message.keep_alive(keep);
    message.prepare_payload();
    error_code ec;
    lowest().expires_after(options().write_timeout);
    co_await bh::async_write(stream_, message, into(ec));
    co_return !ec && keep;
  }

  // Answers what is no request and closes. Bytes still on their way are read off first: closing
  // with unread bytes resets the connection, and the client would never see the answer.
  asio::awaitable<void> turn_away(int status, std::string reason) {
    co_await send(options().refuse(status, std::move(reason)), false, 11);
    error_code ec;
    if constexpr (!kTls) lowest().socket().shutdown(asio::socket_base::shutdown_send, ec);
    lowest().expires_after(kLinger);
    buffer_.clear();
    std::size_t read = 0;
    while (!ec && read < kLingerBytes) {
      read += co_await stream_.async_read_some(buffer_.prepare(4096), into(ec));
    }
  }

  asio::awaitable<void> send_stream(Response response, unsigned version) {
    const bool chunked = version >= 11;
    bh::response<bh::empty_body> head(static_cast<bh::status>(response.status), version);
    fill(head, response);
    head.keep_alive(false);
    head.chunked(chunked);
    bh::response_serializer<bh::empty_body> serializer(head);
    error_code ec;
    lowest().expires_after(options().write_timeout);
    co_await bh::async_write_header(stream_, serializer, into(ec));
    if (ec) co_return;
    streaming_ = true;
    if (!reading_) {
      lowest().expires_never();
      watch();
    }
    response.stream->start([weak = this->weak_from_this()] {
      Self self = weak.lock();
      if (!self) return;
      const auto executor = self->stream_.get_executor();
      asio::post(executor, [self = std::move(self)] { self->signal(); });
    });
    const bool whole = co_await pump(*response.stream, chunked);
    streaming_ = false;
    if (whole && chunked) co_await asio::async_write(stream_, bh::make_chunk_last(), into(ec));
  }

  // True where the whole stream was sent.
  asio::awaitable<bool> pump(BodySource& source, bool chunked) {
    std::string bytes;
    while (!gone_ && !stopping_) {
      bytes.clear();
      const BodySource::Pulled pulled = source.pull(bytes);
      if (!bytes.empty()) {
        error_code ec;
        lowest().expires_after(options().write_timeout);
        if (chunked) {
          co_await asio::async_write(stream_, bh::make_chunk(asio::buffer(bytes)), into(ec));
        } else {
          co_await asio::async_write(stream_, asio::buffer(bytes), into(ec));
        }
        if (ec) co_return false;
      }
      if (pulled != BodySource::Pulled::More) co_return pulled == BodySource::Pulled::End;
      if (bytes.empty()) co_await wait(options().idle_timeout);
    }
    co_return false;
  }

  using Socket = bw::stream<Stream&>;

  asio::awaitable<void> converse(Response response, bh::request<bh::empty_body> head) {
    // Shared with the reader; it, not the connection, bounds the times from here on.
    const auto socket = std::make_shared<Socket>(stream_);
    lowest().expires_never();
    socket->set_option(
        bw::stream_base::timeout{options().write_timeout, options().idle_timeout, true});
    socket->set_option(bw::stream_base::decorator([&](bw::response_type& message) {
      message.set(bh::field::server, "berth");
      message.set(bh::field::date, http_date(options().now()));
      for (const Header& header : response.headers) message.set(header.name, header.value);
      const auto offered = head[bh::field::sec_websocket_protocol];
      if (!response.subprotocol.empty() && bh::token_list(offered).exists(response.subprotocol)) {
        message.set(bh::field::sec_websocket_protocol, response.subprotocol);
      }
    }));
    socket->read_message_max(response.message_bytes);
    socket->binary(true);
    error_code ec;
    co_await socket->async_accept(head, into(ec));
    if (ec) co_return;
    streaming_ = true;
    response.conversation->start([weak = this->weak_from_this()] {
      Self self = weak.lock();
      if (!self) return;
      const auto executor = self->stream_.get_executor();
      asio::post(executor, [self = std::move(self)] { self->signal(); });
    });
    reading_ = true;
    asio::co_spawn(stream_.get_executor(),
                   hear(this->shared_from_this(), socket, response.conversation), asio::detached);
    const bool whole = co_await talk(*socket, *response.conversation);
    streaming_ = false;
    if (!gone_ && !cut_) {
      bw::close_reason reason(whole ? bw::close_code::normal : bw::close_code::going_away);
      if (!broken_.empty()) reason = {bw::close_code::policy_error, broken_};
      co_await socket->async_close(reason, into(ec));
    }
    lowest().close();
    while (reading_) co_await wait(kLinger);
  }

  // True where all was said.
  asio::awaitable<bool> talk(Socket& socket, Conversation& conversation) {
    std::string bytes;
    while (!gone_ && !stopping_ && broken_.empty()) {
      bytes.clear();
      const Conversation::Pulled pulled = conversation.pull(bytes);
      if (pulled == Conversation::Pulled::End) co_return true;
      if (pulled == Conversation::Pulled::Nothing) {
        co_await wait(options().idle_timeout);
        continue;
      }
      error_code ec;
      co_await socket.async_write(asio::buffer(bytes), into(ec));
      if (ec) gone_ = true;
    }
    co_return false;
  }

  static asio::awaitable<void> hear(Self self, std::shared_ptr<Socket> socket,
                                    std::shared_ptr<Conversation> conversation) {
    beast::flat_buffer buffer;
    for (;;) {
      error_code ec;
      co_await socket->async_read(buffer, into(ec));
      if (ec) break;
      const auto data = buffer.data();
      const bool heard =
          self->broken_.empty() && self->streaming_;  // else its end alone is of interest
      const std::string_view text(static_cast<const char*>(data.data()), data.size());
      const auto taken = heard ? conversation->message(text) : Result<void>{};
      buffer.consume(buffer.size());
      if (taken) continue;
      self->broken_ = taken.error().message.substr(0, 120);
      self->signal();
    }
    self->gone_ = true;
    self->reading_ = false;
    self->signal();
  }

  // While its answer is made the client may go, and must not keep its place among the connections
  // until then. What it says instead is the next request's beginning.
  void watch_peer() {
    if (reading_ || gone_ || buffer_.size() > 0) return;
    reading_ = true;
    lowest().expires_never();
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code ec, std::size_t size) {
                              self->reading_ = false;
                              self->buffer_.commit(size);
                              if (ec) self->gone_ = true;
                              if (!ec && self->streaming_) self->watch();
                              self->signal();
                            });
  }

  // A client of a stream says nothing more: what its side reports is that it has gone.
  void watch() {
    stream_.async_read_some(asio::buffer(&discarded_, 1),
                            [self = this->shared_from_this()](error_code ec, std::size_t) {
                              if (!ec) return self->watch();
                              self->gone_ = true;
                              self->signal();
                            });
  }

  std::shared_ptr<const Site> site_;
  std::function<void()> ended_;
  Stream stream_;
  asio::steady_timer wake_;
  beast::flat_buffer buffer_;
  std::optional<Response> answer_;
  std::uint64_t asked_ = 0;
  bool signalled_ = false;
  bool idle_ = false;
  bool reading_ = false;  // by watch_peer
  bool streaming_ = false;
  bool gone_ = false;
  bool stopping_ = false;
  bool cut_ = false;
  std::string broken_;  // why the other side of a websocket is not to be heard any more
  char discarded_ = 0;
};

}  // namespace

std::shared_ptr<Session> start_session(asio::ip::tcp::socket socket, asio::ssl::context* tls,
                                       std::shared_ptr<const Site> site,
                                       std::function<void()> ended) {
  if (tls == nullptr) {
    auto session =
        std::make_shared<Connection<Plain>>(std::move(site), std::move(ended), std::move(socket));
    session->start();
    return session;
  }
  auto session =
      std::make_shared<Connection<Tls>>(std::move(site), std::move(ended), std::move(socket), *tls);
  session->start();
  return session;
}

std::string http_date(Instant at) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(at - day).count();
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday(day).c_encoding()], unsigned(date.day()),
                kMonths[unsigned(date.month()) - 1], int(date.year()), int(second / 3600),
                int(second / 60 % 60), int(second % 60));
  return text;
}

}  // namespace berth::api::http
