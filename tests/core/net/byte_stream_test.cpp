// SPDX-License-Identifier: Apache-2.0
#include "core/net/byte_stream.hpp"

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>

#include "tests/core/net/stream_pair.hpp"

namespace berth::net {
namespace {

asio::awaitable<void> send_all(ByteStream& stream, std::vector<std::string> parts) {
  std::vector<asio::const_buffer> buffers;
  for (const std::string& part : parts) buffers.push_back(asio::buffer(part));
  error_code ec;
  co_await asio::async_write(stream, buffers, into(ec));
  EXPECT_FALSE(ec) << ec.message();
  co_await stream.async_shutdown(into(ec));
}

struct Heard {
  std::string text;
  error_code end;
};

// Until an error, which is the stream's end mostly.
asio::awaitable<void> hear_all(ByteStream& stream, Heard& heard) {
  char bytes[1000];
  while (!heard.end) {
    const std::size_t size = co_await stream.async_read_some(asio::buffer(bytes), into(heard.end));
    heard.text.append(bytes, size);
  }
}

// Within TLS the one who has said all waits for this.
asio::awaitable<void> hear_all_and_end(ByteStream& stream, Heard& heard) {
  co_await hear_all(stream, heard);
  error_code ignored;
  co_await stream.async_shutdown(into(ignored));
}

class ByteStreamTest : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static StreamPair::Wish wish() { return {.secure = GetParam()}; }
};

TEST_P(ByteStreamTest, GivesAllBytesInTheirOrderHoweverManyBuffersTheyCameIn) {
  StreamPair pair(wish());
  ASSERT_TRUE(pair.dialled.stream) << pair.dialled.error.message();
  EXPECT_EQ(pair.client().secure(), GetParam());
  std::vector<std::string> parts;
  std::string whole;
  for (int i = 0; i < 40; ++i) {
    parts.push_back(
        std::string(static_cast<std::size_t>(i * 137), static_cast<char>('a' + i % 26)));
    whole += parts.back();
  }
  Heard heard;
  pair.start(send_all(pair.client(), parts));
  pair.start(hear_all_and_end(*pair.server, heard));
  pair.run();
  EXPECT_TRUE(heard.text == whole) << heard.text.size() << " of " << whole.size() << " bytes";
  EXPECT_EQ(heard.end, asio::error::eof);
}

TEST_P(ByteStreamTest, EndsAReadWhoseTimeIsOver) {
  StreamPair pair(wish());
  ASSERT_TRUE(pair.dialled.stream) << pair.dialled.error.message();
  Heard heard;
  pair.client().expires_after(milliseconds(1));
  pair.start(hear_all(pair.client(), heard));
  pair.run();
  EXPECT_EQ(heard.end, boost::beast::error::timeout);
}

TEST_P(ByteStreamTest, EndsAReadThatIsCancelledOrClosed) {
  for (const bool close : {false, true}) {
    StreamPair pair(wish());
    ASSERT_TRUE(pair.dialled.stream) << pair.dialled.error.message();
    Heard heard;
    pair.start(hear_all(pair.client(), heard));
    pair.io.restart();
    pair.io.poll();  // TLS has words of its own to read first
    close ? pair.client().close() : pair.client().cancel();
    pair.run();
    EXPECT_EQ(heard.end, asio::error::operation_aborted);
  }
}

TEST_P(ByteStreamTest, MayEndWithOperationsUnderWay) {
  Heard heard;
  StreamPair pair(wish());
  ASSERT_TRUE(pair.dialled.stream) << pair.dialled.error.message();
  pair.start(hear_all(pair.client(), heard));
  pair.io.restart();
  pair.io.poll();
  EXPECT_FALSE(heard.end);  // what waits is destroyed with the context
}

INSTANTIATE_TEST_SUITE_P(Kinds, ByteStreamTest, testing::Bool(), [](const auto& info) {
  return info.param ? std::string("Tls") : std::string("Plain");
});

TEST(Dial, RefusesAServerWithTheCertificateOfAnother) {
  StreamPair pair({.secure = true, .certified = "elsewhere.example"});
  EXPECT_FALSE(pair.dialled.stream);
  EXPECT_TRUE(pair.dialled.at_handshake);
  EXPECT_EQ(pair.dialled.error.category(), asio::error::get_ssl_category());
  EXPECT_TRUE(pair.server_error);
}

TEST(Dial, TellsWhyNobodyIsThere) {
  asio::io_context io;
  Dialled dialled;
  asio::ip::tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(taken.local_endpoint().port());
  taken.close();
  asio::co_spawn(
      io,
      dial(io.get_executor(), {.host = "127.0.0.1", .port = port, .limit = milliseconds(20000)}),
      [&](const std::exception_ptr&, Dialled result) { dialled = std::move(result); });
  io.run();
  EXPECT_FALSE(dialled.stream);
  EXPECT_FALSE(dialled.at_handshake);
  EXPECT_EQ(dialled.error, asio::error::connection_refused);
}

TEST(Completion, IsFreeOfItsHandlerBeforeThatRuns) {
  const auto held = std::make_shared<int>(0);
  long owners = 0;
  Done done([held, &owners](error_code) { owners = held.use_count(); });
  EXPECT_EQ(held.use_count(), 2);
  done({});
  EXPECT_EQ(owners, 2);  // the test's, and the running handler's
  EXPECT_EQ(held.use_count(), 1);
  {
    const Done never([held](error_code) {});
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace berth::net
