// SPDX-License-Identifier: Apache-2.0
#include "core/net/websocket.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/error.hpp>

#include "tests/core/net/stream_pair.hpp"

namespace berth::net {
namespace {

namespace bh = boost::beast::http;
using boost::beast::websocket::error;

constexpr Websocket::Bounds kBounds{
    .handshake = std::chrono::seconds(20), .idle = std::chrono::seconds(20), .message_bytes = 1000};

asio::awaitable<Websocket::Request> read_request(ByteStream& stream) {
  boost::beast::flat_buffer buffer;
  Websocket::Request request;
  error_code ec;
  co_await bh::async_read(stream, buffer, request, into(ec));
  EXPECT_FALSE(ec) << ec.message();
  co_return request;
}

struct Ends {
  std::unique_ptr<Websocket> server, client;
  std::string target, accepted;
  Websocket::Answer answer;
  error_code server_error, client_error;
};

asio::awaitable<void> accept(StreamPair& pair, Ends& ends) {
  auto request = co_await read_request(*pair.server);
  ends.target = std::string(request.target());
  ends.accepted = std::string(request["X-From"]);
  ends.server = std::make_unique<Websocket>(*pair.server, kBounds);
  Websocket::Fields fields{{"X-Word", "yes"}};
  co_await ends.server->accept(std::move(request), std::move(fields), ends.server_error);
}

asio::awaitable<void> ask(StreamPair& pair, Ends& ends) {
  ends.client = std::make_unique<Websocket>(pair.client(), kBounds);
  Websocket::Asked asked{.host = "localhost", .target = "/a?b=c", .fields = {{"X-From", "me"}}};
  co_await ends.client->ask(std::move(asked), ends.answer, ends.client_error);
}

// Sends each message back; a message "end" ends it.
asio::awaitable<void> echo(Websocket& socket) {
  for (;;) {
    error_code ec;
    const std::string message(co_await socket.read(ec));
    if (ec) co_return;
    if (message == "end") co_return co_await socket.close(1008, "enough said", ec);
    co_await socket.write(message, ec);
  }
}

struct Told {
  std::vector<std::string> answers;
  error_code end;
};

asio::awaitable<void> tell(Websocket& socket, std::vector<std::string> messages, Told& told) {
  for (const std::string& message : messages) {
    co_await socket.write(message, told.end);
    if (told.end) co_return;
    const std::string answer(co_await socket.read(told.end));
    if (told.end) co_return;
    told.answers.push_back(answer);
  }
}

class WebsocketTest : public testing::TestWithParam<bool> {
 protected:
  void open() {
    ASSERT_TRUE(pair_.dialled.stream) << pair_.dialled.error.message();
    pair_.start(accept(pair_, ends_));
    pair_.start(ask(pair_, ends_));
    pair_.run();
    ASSERT_FALSE(ends_.server_error) << ends_.server_error.message();
    ASSERT_FALSE(ends_.client_error) << ends_.client_error.message();
  }

  Told told_;
  StreamPair pair_{{.secure = GetParam()}};
  Ends ends_;
};

TEST_P(WebsocketTest, CarriesWholeMessagesAndTellsWhyItWasClosed) {
  open();
  EXPECT_EQ(ends_.target, "/a?b=c");
  EXPECT_EQ(ends_.accepted, "me");
  EXPECT_EQ(ends_.answer.status, 101u);
  EXPECT_THAT(ends_.answer.fields, testing::Contains(testing::Pair("X-Word", "yes")));
  const std::string longest(1000, 'x');
  pair_.start(echo(*ends_.server));
  pair_.start(tell(*ends_.client, {"", std::string("a\0b", 3), longest, "end"}, told_));
  pair_.run();
  EXPECT_EQ(told_.answers, (std::vector<std::string>{"", std::string("a\0b", 3), longest}));
  EXPECT_EQ(told_.end, error::closed);
  EXPECT_EQ(ends_.client->peer_reason(), "enough said");
}

TEST_P(WebsocketTest, EndsWithAMessageThatIsTooLong) {
  open();
  pair_.start(echo(*ends_.server));
  pair_.start(tell(*ends_.client, {std::string(1001, 'x')}, told_));
  pair_.run();
  EXPECT_TRUE(told_.answers.empty());
  EXPECT_EQ(told_.end, error::closed);
}

TEST_P(WebsocketTest, EndsWhereThePeerIsGone) {
  open();
  pair_.start(tell(*ends_.client, {"hello"}, told_));
  pair_.server->close();
  pair_.run_until([this] { return bool(told_.end); });
  EXPECT_TRUE(told_.answers.empty());
  EXPECT_TRUE(told_.end);
  EXPECT_EQ(ends_.client->peer_reason(), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, WebsocketTest, testing::Bool(), [](const auto& info) {
  return info.param ? std::string("Tls") : std::string("Plain");
});

asio::awaitable<void> decline(ByteStream& stream) {
  co_await read_request(stream);
  bh::response<bh::string_body> response(bh::status::forbidden, 11);
  response.body() = "not you";
  response.prepare_payload();
  error_code ec;
  co_await bh::async_write(stream, response, into(ec));
  EXPECT_FALSE(ec) << ec.message();
}

asio::awaitable<void> be_declined(ByteStream& stream, Websocket::Answer& answer, error_code& ec) {
  Websocket socket(stream, kBounds);
  Websocket::Asked asked{.host = "localhost", .target = "/", .fields = {}};
  co_await socket.ask(std::move(asked), answer, ec);
}

TEST(WebsocketClient, TellsHowItWasDeclined) {
  StreamPair pair({});
  Websocket::Answer answer;
  error_code ec;
  pair.start(decline(*pair.server));
  pair.start(be_declined(pair.client(), answer, ec));
  pair.run();
  EXPECT_EQ(ec, error::upgrade_declined);
  EXPECT_EQ(answer.status, 403u);
  EXPECT_EQ(answer.body, "not you");
}

}  // namespace
}  // namespace berth::net
