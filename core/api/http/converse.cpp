// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/converse.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "core/api/http/date.hpp"

namespace berth::api::http {
namespace {

namespace asio = boost::asio;
namespace bh = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::seconds kEnd{2};
// Why it was closed, as RFC 6455 numbers it.
constexpr std::uint16_t kNormal = 1000, kGoingAway = 1001, kPolicy = 1008;

// Shared by the one that speaks and the one that hears.
struct Talk {
  Talk(std::shared_ptr<Line> over, const Response& response)
      : line(std::move(over)),
        conversation(response.conversation),
        socket(line->stream(), {.handshake = line->options().write_timeout,
                                .idle = line->options().idle_timeout,
                                .message_bytes = response.message_bytes}) {}

  std::shared_ptr<Line> line;
  std::shared_ptr<Conversation> conversation;
  net::Websocket socket;
  std::string broken;  // why the other side is not to be heard any more
};

net::Websocket::Fields fields_of(const Line& line, const Response& response,
                                 const net::Websocket::Request& request) {
  net::Websocket::Fields fields{{"Server", "berth"}, {"Date", http_date(line.options().now())}};
  for (const Header& header : response.headers) fields.emplace_back(header.name, header.value);
  const auto offered = request[bh::field::sec_websocket_protocol];
  if (!response.subprotocol.empty() && bh::token_list(offered).exists(response.subprotocol)) {
    fields.emplace_back("Sec-WebSocket-Protocol", response.subprotocol);
  }
  return fields;
}

// True where all was said.
asio::awaitable<bool> speak(Talk& talk) {
  Line& line = *talk.line;
  std::string bytes;
  while (!line.gone && !line.stopping && talk.broken.empty()) {
    bytes.clear();
    const Conversation::Pulled pulled = talk.conversation->pull(bytes);
    if (pulled == Conversation::Pulled::End) co_return true;
    if (pulled == Conversation::Pulled::Nothing) {
      co_await line.wait(line.options().idle_timeout);
      continue;
    }
    error_code ec;
    co_await talk.socket.write(bytes, ec);
    if (ec) line.gone = true;
  }
  co_return false;
}

asio::awaitable<void> hear(std::shared_ptr<Talk> talk) {
  Line& line = *talk->line;
  for (;;) {
    error_code ec;
    const std::string_view message = co_await talk->socket.read(ec);
    if (ec) break;
    // Else its end alone is of interest.
    const bool heard = talk->broken.empty() && line.streaming;
    const auto taken = heard ? talk->conversation->message(message) : Result<void>{};
    if (taken) continue;
    talk->broken = taken.error().message.substr(0, 120);
    line.signal();
  }
  line.gone = true;
  line.reading = false;
  line.signal();
}

}  // namespace

asio::awaitable<void> converse(std::shared_ptr<Line> line, Response response,
                               net::Websocket::Request request) {
  const auto talk = std::make_shared<Talk>(line, response);
  auto fields = fields_of(*line, response, request);
  error_code ec;
  co_await talk->socket.accept(std::move(request), std::move(fields), ec);
  if (ec) co_return;
  line->streaming = true;
  talk->conversation->start(line->waker());
  line->reading = true;
  asio::co_spawn(line->stream().get_executor(), hear(talk), asio::detached);
  const bool whole = co_await speak(*talk);
  line->streaming = false;
  if (!line->gone && !line->cut) {
    if (!talk->broken.empty()) {
      co_await talk->socket.close(kPolicy, talk->broken, ec);
    } else {
      co_await talk->socket.close(whole ? kNormal : kGoingAway, {}, ec);
    }
  }
  line->stream().close();
  while (line->reading) co_await line->wait(kEnd);
}

}  // namespace berth::api::http
