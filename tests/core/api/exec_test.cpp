// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/exec.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/websocket/error.hpp>
#include <optional>

#include "core/model/exec_frames.hpp"
#include "core/net/dial.hpp"
#include "core/net/websocket.hpp"
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTask = "0123456789abcdef0123456789abcdef";

// A websocket client that sends and reads one frame at a time.
class SocketClient {
 public:
  SocketClient(std::uint16_t port, const std::string& target) { run(open(port, target)); }
  void send(const exec::Frame& frame) { send_bytes(exec::encode(frame)); }
  void send_bytes(const std::string& bytes) { run(socket_->write(bytes, error)); }
  // The next frame; Unknown where the server has closed.
  exec::Frame next() {
    std::string message;
    run(read(message));
    if (error) return exec::Unknown{};
    auto frame = exec::decode(message);
    return frame ? std::move(*frame) : exec::Unknown{};
  }
  [[nodiscard]] std::string close_reason() const { return std::string(socket_->peer_reason()); }
  // Of the handshake's answer; empty where it has none.
  [[nodiscard]] std::string field(const std::string& name) const {
    for (const auto& [key, value] : response.fields) {
      if (key == name) return value;
    }
    return "";
  }
  void drop() { stream_->close(); }

  net::Websocket::Answer response;
  boost::system::error_code error;

 private:
  // Until this work is over; what else waits goes on waiting.
  void run(asio::awaitable<void> work) {
    bool over = false;
    asio::co_spawn(io_, std::move(work), [&over](const std::exception_ptr& thrown) {
      over = true;
      if (thrown) std::rethrow_exception(thrown);
    });
    io_.restart();
    while (!over && io_.run_one() > 0) {
    }
  }
  asio::awaitable<void> open(std::uint16_t port, std::string target) {
    net::Dial to{
        .host = "127.0.0.1", .port = std::to_string(port), .limit = std::chrono::seconds(20)};
    auto dialled = co_await net::dial(io_.get_executor(), std::move(to));
    error = dialled.error;
    if (error) co_return;
    stream_ = std::move(dialled.stream);
    const net::Websocket::Bounds bounds{.handshake = std::chrono::seconds(20),
                                        .idle = std::chrono::seconds(20),
                                        .message_bytes = 1024 * 1024};
    socket_.emplace(*stream_, bounds);
    const std::string authorization =
        "AWS4-HMAC-SHA256 Credential=K/20261123/us-east-1/ecs/aws4_request, "
        "SignedHeaders=host, Signature=" +
        std::string(64, '0');
    net::Websocket::Asked asked{.host = "localhost", .target = std::move(target), .fields = {}};
    asked.fields.emplace_back("X-Amz-Date", "20261123T120000Z");
    asked.fields.emplace_back("Sec-WebSocket-Protocol", "other, berth.exec.v1");
    asked.fields.emplace_back("Authorization", authorization);
    co_await socket_->ask(std::move(asked), response, error);
  }
  asio::awaitable<void> read(std::string& message) {
    const std::string_view bytes = co_await socket_->read(error);
    message.assign(bytes);
  }

  asio::io_context io_;
  std::unique_ptr<net::ByteStream> stream_;
  std::optional<net::Websocket> socket_;  // over the stream
};

class Exec : public ServerTest {
 protected:
  void begin() {
    start();
    register_web();
    control_.add_task(kTask, "web");
  }
  static std::string target(const std::string& more) {
    return "/berth/v1/exec?task=" + std::string(kTask) + more;
  }
  SocketClient open(const std::string& more) { return SocketClient(port(), target(more)); }
};

TEST_F(Exec, PassesTheWholeCommandOnAndGivesItsOutputAndExitCode) {
  begin();
  SocketClient client(
      port(), target("&command=ls&command=a%20b&terminal=true&input=true&rows=30&columns=100"));
  ASSERT_FALSE(client.error) << client.error.message();
  EXPECT_EQ(client.field("Sec-WebSocket-Protocol"), "berth.exec.v1");
  EXPECT_NE(client.field("x-amzn-RequestId"), "");
  auto sink = execs_.await_sink();
  EXPECT_EQ(execs_.query().container, "a");
  EXPECT_THAT(execs_.query().command, ElementsAre("ls", "a b"));
  EXPECT_TRUE(execs_.query().terminal);
  EXPECT_TRUE(execs_.query().input);
  EXPECT_EQ(execs_.query().rows, 30);
  EXPECT_EQ(execs_.query().columns, 100);
  sink->output(v1::StreamChunk::CHANNEL_STDOUT, "out");
  sink->output(v1::StreamChunk::CHANNEL_STDERR, "err");
  sink->end(7);
  EXPECT_EQ(std::get<exec::Data>(client.next()).bytes, "out");
  EXPECT_EQ(std::get<exec::Errors>(client.next()).bytes, "err");
  EXPECT_EQ(std::get<exec::Exit>(client.next()).code, 7);
  client.next();
  EXPECT_EQ(client.error, websocket::error::closed);
  execs_.await_closed();
}

TEST_F(Exec, PassesInputSignalsAndSizesOnInTheirOrder) {
  begin();
  SocketClient client(port(), target("&command=cat&input=true"));
  execs_.await_sink()->input_credit(100);
  EXPECT_EQ(std::get<exec::Credit>(client.next()).bytes, 100U);
  client.send(exec::Data{"hello"});
  client.send(exec::Resize{10, 20});
  client.send(exec::Signal{"INT"});
  client.send_bytes("\x63newer");  // of a kind that this version does not know
  client.send(exec::EndOfInput{});
  const auto writes = execs_.await_writes(4);
  EXPECT_EQ(writes[0].data(), "hello");
  EXPECT_EQ(writes[1].resize().columns(), 20U);
  EXPECT_EQ(writes[2].signal(), "INT");
  EXPECT_TRUE(writes[3].end_of_input());
}

TEST_F(Exec, AsksForNoMoreOutputThanTheClientHasGranted) {
  begin();
  SocketClient client(port(), target("&command=yes"));
  auto sink = execs_.await_sink();
  EXPECT_EQ(execs_.granted(), 0U);
  client.send(exec::Credit{1000});
  execs_.await_granted(1000);
  // However much the client grants, little is held here at a time; more is asked for as it leaves.
  client.send(exec::Credit{0xffffffffU});
  execs_.await_granted(256 * 1024);
  EXPECT_EQ(execs_.granted(), 256U * 1024);
  sink->output(v1::StreamChunk::CHANNEL_STDOUT, std::string(500, 'y'));
  EXPECT_EQ(std::get<exec::Data>(client.next()).bytes.size(), 500U);
  execs_.await_granted(256 * 1024 + 500);
}

TEST_F(Exec, EndsWhenItsClientGoes) {
  begin();
  SocketClient client(port(), target("&command=sleep"));
  execs_.await_sink();
  client.drop();
  execs_.await_closed();
}

TEST_F(Exec, EndsWhenTheServerStops) {
  begin();
  SocketClient client(port(), target("&command=sleep"));
  execs_.await_sink();
  std::thread stop([this] { server_->stop(); });
  client.next();
  EXPECT_EQ(client.error, websocket::error::closed);
  stop.join();
  execs_.await_closed();
}

TEST_F(Exec, SaysWhyACommandDidNotRun) {
  begin();
  SocketClient client(port(), target("&command=nope"));
  execs_.await_sink()->end(fail(Errc::Invalid, "the command cannot be run: not found"));
  EXPECT_EQ(std::get<exec::Failure>(client.next()).message, "the command cannot be run: not found");
}

TEST_F(Exec, ThrowsOutAClientThatDoesNotKeepTheRules) {
  begin();
  {
    SocketClient client(port(), target("&command=cat&input=true"));
    client.send(exec::Data{"more than was granted"});
    client.next();
    EXPECT_EQ(client.close_reason(), "There is more input than was granted.");
  }
  {
    SocketClient client(port(), target("&command=cat"));
    client.send(exec::Exit{0});
    client.next();
    EXPECT_EQ(client.close_reason(), "A message of this kind is the server's to send.");
  }
  {
    SocketClient client(port(), target("&command=cat"));
    client.send_bytes(std::string("\x05", 1));
    client.next();
    EXPECT_EQ(client.close_reason(), "The message with credit has not four bytes of it.");
  }
  SocketClient client(port(), target("&command=cat"));
  client.send_bytes(std::string(100'000, '\0'));
  client.next();
  EXPECT_TRUE(client.error);
  execs_.await_closed();
}

TEST_F(Exec, IsRefusedWithReasonsBeforeAnythingBegins) {
  begin();
  const auto refusal = [&](const std::string& more) {
    const SocketClient client(port(), "/berth/v1/exec?" + more);
    EXPECT_EQ(client.error, websocket::error::upgrade_declined);
    return client.response.body;
  };
  const std::string task = "task=" + std::string(kTask);
  EXPECT_THAT(refusal("command=ls"), HasSubstr("task should not be null or empty."));
  EXPECT_THAT(refusal(task), HasSubstr("command should not be null or empty."));
  EXPECT_THAT(refusal("task=nope&command=ls"), HasSubstr("The referenced task was not found."));
  EXPECT_THAT(refusal(task + "&command=ls&container=zz"),
              HasSubstr("The task has no container 'zz'."));
  EXPECT_THAT(refusal(task + "&command=ls&terminal=maybe"),
              HasSubstr("terminal should be one of [true,false]"));
  EXPECT_THAT(refusal(task + "&command=ls&rows=0"),
              HasSubstr("rows must be a number from 1 to 65535."));
  EXPECT_THAT(refusal(task + "&comand=ls"), HasSubstr("Unknown parameter 'comand'."));
  EXPECT_THAT(refusal(task + "&command=ls&cluster=other"), HasSubstr("ClusterNotFoundException"));
  const std::string stopped(32, 'b');
  control_.add_task(stopped, "web", TaskStatus::Stopped);
  EXPECT_THAT(refusal("command=ls&task=" + stopped),
              HasSubstr("is STOPPED: a command runs only in one that is RUNNING."));
  EXPECT_EQ(get(target("&command=ls")).status, 426);
  RawClient unsigned_client(port());
  unsigned_client.send(
      "GET " + target("&command=ls") +
      " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(unsigned_client.read_response(), HasSubstr("MissingAuthenticationTokenException"));
  EXPECT_FALSE(execs_.opened());
}

TEST_F(Exec, WantsToKnowWhichOfSeveralContainers) {
  start();
  ecs("RegisterTaskDefinition",
      R"({"family":"two","containerDefinitions":[{"name":"a","image":"i","memory":128},{"name":"b","image":"i","memory":128}]})");
  control_.add_task(kTask, "two");
  SocketClient unnamed(port(), target("&command=ls"));
  EXPECT_THAT(unnamed.response.body, HasSubstr("container must name one of them: a, b."));
  SocketClient named(port(), target("&command=ls&container=b"));
  execs_.await_sink();
  EXPECT_EQ(execs_.query().container, "b");
}

TEST_F(Exec, OfTheAwsCliIsRefusedWithWhatToUse) {
  start();
  const auto reply = ecs("ExecuteCommand", R"({"task":"x","command":"ls","interactive":true})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.at("__type"), "UnsupportedFeatureException");
  EXPECT_THAT(reply.at("message"), HasSubstr("session protocol of AWS Systems Manager (SSM)"));
  EXPECT_THAT(reply.at("message"), HasSubstr("berth exec TASK -- COMMAND"));
}

}  // namespace
}  // namespace berth::api
