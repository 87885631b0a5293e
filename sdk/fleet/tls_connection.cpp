// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/tls_connection.hpp"

#include <algorithm>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "sdk/fleet/frame_name.hpp"
#include "sdk/runtime/failpoint.hpp"

namespace berth::fleet {
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kLinger{1'000};
constexpr std::size_t kKeptOutput = 1024;  // of a connection that has nothing to send

std::string address_text(const tcp::socket& socket) {
  error_code error;
  const auto end = socket.remote_endpoint(error);
  return error ? "?" : end.address().to_string() + ":" + std::to_string(end.port());
}

// OpenSSL's own words for a wrong port say nothing to who has made that mistake.
std::string handshake_failure(const std::string& peer, const error_code& error) {
  if (error.category() == asio::error::get_ssl_category()) {
    const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
      return peer + " does not speak TLS: is that the fleet's port?";
    }
  }
  return "TLS handshake with " + peer + ": " + error.message();
}

}  // namespace

std::shared_ptr<ssl::context> tls_context(ssl::context::method method) {
  auto context = std::make_shared<ssl::context>(method);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_3_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

TlsConnection::TlsConnection(Loop& loop, std::shared_ptr<ssl::context> tls, tcp::socket socket,
                             ConnectionOptions options)
    : loop_(loop),
      tls_(std::move(tls)),
      stream_(std::move(socket), *tls_),
      options_(std::move(options)),
      peer_(address_text(stream_.next_layer())) {}

void TlsConnection::handshake(ssl::stream_base::handshake_type side,
                              std::function<void(std::string)> done) {
  error_code ignored;
  stream_.next_layer().set_option(tcp::no_delay(true), ignored);
  stream_.next_layer().set_option(asio::socket_base::keep_alive(true), ignored);
  timer_ = loop_.after(options_.handshake_timeout, [this] { cut(); });
  stream_.async_handshake(
      side, [self = shared_from_this(), done = std::move(done)](const error_code& error) {
        self->timer_.reset();
        done(error ? handshake_failure(self->peer_, error) : std::string());
      });
}

void TlsConnection::cut() {
  error_code ignored;
  stream_.next_layer().close(ignored);
}

void TlsConnection::read_peer_certificate() {
  X509* const shown = SSL_get0_peer_certificate(native());
  if (shown && SSL_get_verify_result(native()) == X509_V_OK)
    peer_certificate_ = fleet::peer_certificate(shown);
}

void TlsConnection::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  if (!ended_ && !std::exchange(reading_, true)) read_more();
}

void TlsConnection::send(const v1::Frame& frame, bool news) {
  if (ended_ || closing_) return;
  const std::size_t size = frame.ByteSizeLong();
  if (size > kFrameLimit || queued_ + size > options_.queue_limit) {
    return end_soon("too much waits to be sent to " + peer_ + ", or a frame is too large");
  }
  std::string bytes(4 + size, '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>((size >> (24 - 8 * i)) & 0xffU);
  if (!frame.SerializeToArray(bytes.data() + 4, static_cast<int>(size)))
    return end_soon("a frame cannot be written");
  queued_ += bytes.size();
  queue_.push_back(
      {std::move(bytes), runtime::failpoint::armed ? frame_name(frame) : std::string(), news});
  if (std::exchange(writing_, true)) return;
  if (runtime::failpoint::armed) return write_next();
  // Once whoever sends has sent all that he has to.
  loop_.post([self = shared_from_this()] { self->write_next(); });
}

void TlsConnection::close(const std::string& why) {
  if (ended_ || closing_) return;
  closing_ = true;
  close_reason_ = why;
  timer_ = loop_.after(kLinger, [self = shared_from_this()] { self->end(self->close_reason_); });
  if (!writing_) end_soon(why);
}

// Two points for each step of a frame: one by its name, and one that only news of a task passes.
void TlsConnection::pass(const char* step, const std::string& frame, bool news) const {
  if (!runtime::failpoint::armed) return;
  runtime::failpoint::pass(options_.name + step + "." + frame);
  if (news) runtime::failpoint::pass(options_.name + step);
}

// What has come, whether half a frame or several: each read costs more than it brings.
void TlsConnection::read_more() {
  stream_.async_read_some(asio::buffer(input_),
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            if (error) return self->end("the connection ended: " + error.message());
                            self->take_input(size);
                          });
}

void TlsConnection::take_input(std::size_t size) {
  for (std::size_t at = 0; at < size && !ended_;) {
    if (left_ == 0) {
      length_[length_bytes_++] = static_cast<unsigned char>(input_[at++]);
      if (length_bytes_ == length_.size() && !begin_body()) return;
      continue;
    }
    const std::size_t part = std::min(left_, size - at);
    body_.append(input_.data() + at, part);
    at += part;
    left_ -= part;
    if (left_ == 0) deliver();
  }
  if (ended_) return;
  if (left_ > input_.size()) return read_body();
  read_more();
}

// False: it is a length that may not be, and the connection has ended.
bool TlsConnection::begin_body() {
  std::size_t size = 0;
  for (const unsigned char byte : length_) size = (size << 8U) | byte;
  if (size == 0 || size > options_.frame_limit) {
    end("a frame of " + std::to_string(size) + " bytes, where at most " +
        std::to_string(options_.frame_limit) + " are allowed");
    return false;
  }
  length_bytes_ = 0;
  left_ = size;
  body_.clear();
  return true;
}

// In pieces, so that announcing much costs the one who announces.
void TlsConnection::read_body() {
  constexpr std::size_t kPiece = 256 * 1024;
  const std::size_t have = body_.size();
  const std::size_t piece = std::min(left_, kPiece);
  body_.resize(have + piece);
  asio::async_read(stream_, asio::buffer(body_.data() + have, piece),
                   [self = shared_from_this(), piece](const error_code& error, std::size_t) {
                     if (error) return self->end("the connection ended: " + error.message());
                     self->left_ -= piece;
                     if (self->left_ > 0) return self->read_body();
                     self->deliver();
                     if (!self->ended_) self->read_more();
                   });
}

void TlsConnection::deliver() {
  if (ended_) return;
  v1::Frame frame;
  if (!frame.ParseFromString(body_)) return end("a frame that is not one");
  if (body_.capacity() > kStrangerFrameLimit) std::string().swap(body_);
  if (!closing_) {
    const std::string name = runtime::failpoint::armed ? frame_name(frame) : std::string();
    const bool news =
        name == "call-start" || name == "call-stop" || name == "report" || name == "done";
    pass(".before_frame", name, news);
    const auto handler = handlers_.frame;  // `closed` may drop the handlers meanwhile
    if (handler) handler(std::move(frame));
    pass(".after_frame", name, news);
  }
}

// Frames that wait go together, as far as one TLS record takes them: each write costs more than it
// carries. One by one where somebody wants to be told of each.
void TlsConnection::write_next() {
  constexpr std::size_t kRecord = 16 * 1024;
  if (ended_) return;
  sending_ = 1;
  std::size_t bytes = queue_.front().bytes.size();
  while (!runtime::failpoint::armed && sending_ < queue_.size() &&
         bytes + queue_[sending_].bytes.size() <= kRecord) {
    bytes += queue_[sending_++].bytes.size();
  }
  pass(".before_send", queue_.front().name, queue_.front().news);
  output_.clear();
  for (std::size_t i = 0; sending_ > 1 && i < sending_; ++i) output_ += queue_[i].bytes;
  asio::async_write(stream_, asio::buffer(sending_ > 1 ? output_ : queue_.front().bytes),
                    [self = shared_from_this()](const error_code& error, std::size_t) {
                      self->writing_ = false;
                      if (error) return self->end("the connection ended: " + error.message());
                      self->wrote();
                    });
}

void TlsConnection::wrote() {
  pass(".after_send", queue_.front().name, queue_.front().news);
  for (; sending_ > 0; --sending_) {
    queued_ -= queue_.front().bytes.size();
    queue_.pop_front();
  }
  if (output_.capacity() > kKeptOutput && queue_.empty()) std::string().swap(output_);
  if (ended_) return;
  if (!queue_.empty()) {
    writing_ = true;
    return write_next();
  }
  if (closing_) end(close_reason_);
}

// Later: whoever sends does not expect `closed` within the call.
void TlsConnection::end_soon(const std::string& why) {
  closing_ = true;
  close_reason_ = why;
  loop_.post([self = shared_from_this()] { self->end(self->close_reason_); });
}

void TlsConnection::end(const std::string& why) {
  if (ended_) return;
  ended_ = true;
  timer_.reset();
  // No TLS close_notify: the last frame says good-bye, and waiting for a distrusted peer's would
  // hold the socket.
  cut();
  auto handlers = std::exchange(handlers_, {});
  if (handlers.closed) handlers.closed(closing_ ? close_reason_ : why);
}

}  // namespace berth::fleet
