// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/line.hpp"

#include <boost/asio/post.hpp>

#include "core/net/await.hpp"

namespace berth::api::http {

namespace asio = boost::asio;
using boost::system::error_code;
using net::into;

namespace {

constexpr std::size_t kReadBytes = 4096;

}  // namespace

Line::Line(std::shared_ptr<const Site> site, std::unique_ptr<net::ByteStream> stream)
    : buffer(site->options.header_bytes + kReadBytes),
      site_(std::move(site)),
      stream_(std::move(stream)),
      wake_(stream_->get_executor()) {}

void Line::signal() {
  signalled_ = true;
  wake_.cancel();
}

std::function<void()> Line::waker() {
  return [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    const auto executor = self->stream_->get_executor();
    asio::post(executor, [self = std::move(self)] { self->signal(); });
  };
}

asio::awaitable<void> Line::wait(milliseconds limit) {
  if (!signalled_) {
    error_code ignored;
    wake_.expires_after(limit);
    co_await wake_.async_wait(into(ignored));
  }
  signalled_ = false;
}

asio::awaitable<void> Line::wait_until(std::function<bool()> done, milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) co_return;
    co_await wait(left);
  }
}

void Line::watch_peer() {
  if (reading || gone || buffer.size() > 0) return;
  reading = true;
  stream_->expires_never();
  stream_->async_read_some(buffer.prepare(kReadBytes),
                           [self = shared_from_this()](error_code ec, std::size_t size) {
                             self->reading = false;
                             self->buffer.commit(size);
                             if (ec) self->gone = true;
                             if (!ec && self->streaming) self->watch();
                             self->signal();
                           });
}

void Line::watch_end() {
  streaming = true;
  if (reading) return;  // it goes on by itself
  stream_->expires_never();
  watch();
}

void Line::watch() {
  stream_->async_read_some(asio::buffer(&discarded_, 1),
                           [self = shared_from_this()](error_code ec, std::size_t) {
                             if (!ec) return self->watch();
                             self->gone = true;
                             self->signal();
                           });
}

}  // namespace berth::api::http
