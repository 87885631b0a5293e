// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/logs.hpp"

#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

constexpr const char* kTask = "0123456789abcdef0123456789abcdef";

v1::LogRecord record(const std::string& data) {
  v1::LogRecord record;
  record.set_container("a");
  record.set_time_ns(1'700'000'000'000'000'001);
  record.set_channel(v1::StreamChunk::CHANNEL_STDOUT);
  record.set_data(data);
  return record;
}

class Logs : public ServerTest {
 protected:
  void begin() {
    start();
    register_web();
    control_.add_task(kTask, "web");
  }
  std::string request(const std::string& query) {
    return "GET /berth/v1/logs?" + query + " HTTP/1.1\r\nHost: localhost\r\n" + authorization() + "\r\n";
  }
};

TEST_F(Logs, ComeAsLinesOfJsonWhileTheyAreWritten) {
  begin();
  RawClient client(port());
  client.send(
      request(std::string("task=") + kTask + "&container=a&follow=true&tail=5&since=1700000000.5"));
  auto sink = logs_.await_sink();
  EXPECT_TRUE(logs_.query().follow);
  EXPECT_EQ(logs_.query().tail_lines, 5);
  EXPECT_EQ(logs_.query().since, Instant(milliseconds(1'700'000'000'500)));
  EXPECT_THAT(logs_.query().containers, testing::ElementsAre("a"));
  sink->records({record("hello")}, 10);
  const std::string first = client.read_until("}\n");
  EXPECT_THAT(first, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_THAT(first, HasSubstr(R"({"container":"a","time":"2023-11-14T22:13:20.000000001Z",)"
                               R"("stream":"stdout","log":"hello"})"));
  auto partial = record("\xff");
  partial.set_partial(true);
  partial.set_channel(v1::StreamChunk::CHANNEL_STDERR);
  sink->records({partial}, 10);
  EXPECT_THAT(client.read_until("}\n"),
              HasSubstr("\"stream\":\"stderr\",\"log\":\"\xEF\xBF\xBD\",\"partial\":true}"));
  sink->end({});
  EXPECT_THAT(client.read_all(), testing::EndsWith("0\r\n\r\n"));
}

TEST_F(Logs, GiveCreditBackOnlyForWhatWasSent) {
  begin();
  RawClient client(port());
  client.send(request(std::string("task=") + kTask));
  auto sink = logs_.await_sink();
  EXPECT_GT(logs_.credit(), 0U);
  EXPECT_EQ(logs_.granted(), 0U);
  sink->records({record("x")}, 1234);
  logs_.await_granted(1234);
  EXPECT_EQ(logs_.granted(), 1234U);
}

TEST_F(Logs, HoldTheSourceBackWhileTheClientDoesNotRead) {
  begin();
  RawClient client(port());
  client.send(request(std::string("task=") + kTask));
  auto sink = logs_.await_sink();
  // More than sockets take in: the last pieces stay here, and so does their credit.
  const std::string line(64 * 1024, 'x');
  for (int i = 0; i < 300; ++i) sink->records({record(line)}, 1);
  EXPECT_LT(logs_.granted(), 300U);
  sink->end({});
  EXPECT_GT(client.read_all().size(), 300 * line.size());
}

TEST_F(Logs, AreCancelledWhenTheClientGoesAway) {
  begin();
  {
    RawClient client(port());
    client.send(request(std::string("task=") + kTask + "&follow=true"));
    client.read_until("\r\n\r\n");
    logs_.await_sink();
  }
  logs_.await_closed();
}

TEST_F(Logs, EndAtOnceWhenTheServerStops) {
  begin();
  RawClient client(port());
  client.send(request(std::string("task=") + kTask + "&follow=true"));
  logs_.await_sink();
  server_->stop();
  logs_.await_closed();
  EXPECT_THAT(client.read_all(), testing::Not(testing::EndsWith("0\r\n\r\n")));
}

TEST_F(Logs, ThatBreakOffSayWhyAndDoNotLookWhole) {
  begin();
  RawClient client(port());
  client.send(request(std::string("task=") + kTask));
  logs_.await_sink()->end(fail(Errc::Unavailable, "The host cannot be reached."));
  const std::string all = client.read_all();
  EXPECT_THAT(all, HasSubstr(R"({"error":"The host cannot be reached."})"));
  EXPECT_THAT(all, testing::Not(testing::EndsWith("0\r\n\r\n")));
}

TEST_F(Logs, AreRefusedWithReasons) {
  begin();
  const std::string path = "/berth/v1/logs?task=" + std::string(kTask);
  EXPECT_THAT(get("/berth/v1/logs").body, HasSubstr("task should not be null or empty."));
  EXPECT_THAT(get("/berth/v1/logs?task=nope").body,
              HasSubstr("The referenced task was not found."));
  EXPECT_THAT(get(path + "&container=zz").body, HasSubstr("The task has no container 'zz'."));
  EXPECT_THAT(get(path + "&tail=-1").body, HasSubstr("tail must be"));
  EXPECT_THAT(get(path + "&since=yesterday").body, HasSubstr("since must be"));
  EXPECT_THAT(get(path + "&folow=true").body, HasSubstr("Unknown parameter 'folow'."));
  EXPECT_EQ(get(path + "&cluster=other").at("__type"), "ClusterNotFoundException");
  RawClient client(port());
  client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_response(), HasSubstr("MissingAuthenticationTokenException"));
}

}  // namespace
}  // namespace berth::api
