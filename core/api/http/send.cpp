// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/send.hpp"

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <charconv>

#include "core/api/http/date.hpp"
#include "core/net/await.hpp"

namespace berth::api::http {
namespace {

namespace asio = boost::asio;
namespace bh = boost::beast::http;
using boost::system::error_code;
using net::into;

using Head = bh::response<bh::empty_body>;

Head head_of(const Line& line, const Response& response, ResponseForm form) {
  Head head(static_cast<bh::status>(response.status), form.version);
  head.set(bh::field::server, "berth");
  head.set(bh::field::date, http_date(line.options().now()));
  head.set(bh::field::content_type, response.content_type);
  for (const Header& header : response.headers) head.set(header.name, header.value);
  head.keep_alive(form.keep_alive);
  return head;
}

std::string text_of(const Head& head) {
  const Head::fields_type::writer writer(head, head.version(), head.result_int());
  return boost::beast::buffers_to_string(writer.get());
}

// All that is written goes through here, so that it is compiled once.
using Parts = std::array<std::string_view, 3>;
asio::awaitable<void> write(Line& line, Parts parts, error_code& ec) {
  const std::array<asio::const_buffer, 3> buffers{asio::buffer(parts[0]), asio::buffer(parts[1]),
                                                  asio::buffer(parts[2])};
  co_await asio::async_write(line.stream(), buffers, into(ec));
}

void bound(Line& line) {
  line.stream().expires_after(line.options().write_timeout);
}

asio::awaitable<void> write_piece(Line& line, const std::string& bytes, bool chunked,
                                  error_code& ec) {
  bound(line);
  char size[20];
  char* end = size;
  if (chunked) {
    end = std::to_chars(size, size + 16, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
  }
  const Parts parts{std::string_view(size, end), bytes, chunked ? "\r\n" : ""};
  co_await write(line, parts, ec);
}

// True where the whole stream was sent.
asio::awaitable<bool> pump(Line& line, BodySource& source, bool chunked) {
  std::string bytes;
  while (!line.gone && !line.stopping) {
    bytes.clear();
    const BodySource::Pulled pulled = source.pull(bytes);
    error_code ec;
    if (!bytes.empty()) co_await write_piece(line, bytes, chunked, ec);
    if (ec) co_return false;
    if (pulled != BodySource::Pulled::More) co_return pulled == BodySource::Pulled::End;
    if (bytes.empty()) co_await line.wait(line.options().idle_timeout);
  }
  co_return false;
}

}  // namespace

asio::awaitable<bool> send(std::shared_ptr<Line> line, Response response, ResponseForm form) {
  Head head = head_of(*line, response, form);
  head.content_length(response.body.size());
  const std::string text = text_of(head);
  bound(*line);
  const Parts parts{text, response.body};
  error_code ec;
  co_await write(*line, parts, ec);
  co_return !ec && form.keep_alive;
}

asio::awaitable<void> send_stream(std::shared_ptr<Line> line, Response response, unsigned version) {
  const bool chunked = version >= 11;
  Head head = head_of(*line, response, {.version = version});
  head.chunked(chunked);
  const std::string text = text_of(head);
  bound(*line);
  const Parts parts{text};
  error_code ec;
  co_await write(*line, parts, ec);
  if (ec) co_return;
  line->watch_end();
  response.stream->start(line->waker());
  const bool whole = co_await pump(*line, *response.stream, chunked);
  line->streaming = false;
  const Parts last{"0\r\n\r\n"};
  if (whole && chunked) co_await write(*line, last, ec);
}

asio::awaitable<void> send_continue(std::shared_ptr<Line> line, error_code& ec) {
  const Parts parts{"HTTP/1.1 100 Continue\r\n\r\n"};
  co_await write(*line, parts, ec);
}

}  // namespace berth::api::http
