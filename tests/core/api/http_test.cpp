// SPDX-License-Identifier: Apache-2.0
// Broken, hostile and slow clients: each costs its own connection only.
#include <thread>

#include "core/api/http/own_host.hpp"
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kList = "AmazonEC2ContainerServiceV20141113.ListClusters";

class HttpServer : public ServerTest {
 protected:
  void expect_alive() { EXPECT_EQ(get("/healthz").status, 200); }
};

TEST_F(HttpServer, SaysThatItIsWell) {
  start();
  RawClient client(port());
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto reply = parse(client.read_response());
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "ok\n");
  EXPECT_THAT(reply.head, HasSubstr("Date: Thu, 01 Jan 1970 00:00:00 GMT"));
}

TEST_F(HttpServer, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port());
  client.send(post(kList, "{}") + post(kList, "[]") + post(kList, "{}"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
  client.send(post(kList, "{}", "Connection: close\r\n"));
  EXPECT_THAT(client.read_all(), HasSubstr("default"));
}

TEST_F(HttpServer, GivesEveryAnswerAnIdAndAType) {
  start();
  const auto fine = ecs("ListClusters", "{}");
  EXPECT_THAT(fine.head, HasSubstr("Content-Type: application/x-amz-json-1.1"));
  EXPECT_THAT(fine.head,
              testing::ContainsRegex("x-amzn-RequestId: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-"));
  const auto wrong = ecs("StopTask", R"({"task":"x"})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.at("__type"), "InvalidParameterException");
  EXPECT_THAT(wrong.head, HasSubstr("x-amzn-errortype: InvalidParameterException"));
}

TEST_F(HttpServer, RefusesABodyThatIsTooLargeBeforeItComes) {
  config_.limits.body_bytes = 1000;
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nabc");
  const auto reply = parse(client.read_all());
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(reply.body, HasSubstr("exceeds 1000 bytes"));
  RawClient chunked(port());
  chunked.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) chunked.send("190\r\n" + std::string(400, 'x') + "\r\n");
  EXPECT_EQ(parse(chunked.read_all()).status, 413);
  expect_alive();
}

TEST_F(HttpServer, AnswersWhoeverSendsTooMuchToTheEnd) {
  config_.limits.body_bytes = 1000;
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" +
              std::string(2'000'000, 'x'));
  EXPECT_EQ(parse(client.read_all()).status, 413);
}

TEST_F(HttpServer, RefusesHeadersThatAreTooLarge) {
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + std::string(100'000, 'a') +
              "\r\n\r\n");
  EXPECT_EQ(parse(client.read_all()).status, 431);
  RawClient many(port());
  std::string headers;
  for (int i = 0; i < 5000; ++i) headers += "X-" + std::to_string(i) + ": a\r\n";
  many.send("POST / HTTP/1.1\r\n" + headers + "\r\n");
  EXPECT_EQ(parse(many.read_all()).status, 431);
  expect_alive();
}

TEST_F(HttpServer, RefusesWhatIsNoHttp) {
  start();
  for (const char* garbage :
       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", "GET\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "POST / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RawClient client(port());
    client.send(garbage).end_sending();
    EXPECT_EQ(parse(client.read_all()).status, 400) << garbage;
  }
  expect_alive();
}

TEST_F(HttpServer, SurvivesTruncatedRequests) {
  start();
  const std::string whole = post(kList, R"({"maxResults":1})");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    RawClient client(port());
    client.send(whole.substr(0, size)).end_sending();
    EXPECT_THAT(client.read_all(), Not(HasSubstr("200 OK"))) << size;
  }
  expect_alive();
}

TEST_F(HttpServer, RefusesBodiesThatAreNoJsonOfAnyUse) {
  start();
  for (const std::string& body :
       {std::string("{\"a\":") + std::string(900'000, '['), std::string("{\"a\":\"\xff\xfe\"}"),
        std::string("{\"a\""), std::string("\0\0\0", 3), std::string("{}{}"),
        std::string("{\"maxResults\":\"many\"}")}) {
    const auto reply = ecs("ListClusters", body);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.at("__type"), "com.amazon.coral.service#SerializationException");
  }
  expect_alive();
}

TEST_F(HttpServer, CutsClientsThatDripTheirRequest) {
  config_.limits.read_timeout = milliseconds(300);
  start();
  RawClient silent(port());
  RawClient half(port());
  half.send("POST / HTTP/1.1\r\nHost");
  RawClient body(port());
  body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{");
  // Bytes that keep coming buy no more time.
  std::jthread dripping([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      body.send(" ");
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_EQ(half.read_all(), "");
  EXPECT_EQ(body.read_all(), "");
  dripping.request_stop();
  expect_alive();
}

TEST_F(HttpServer, ClosesIdleConnections) {
  config_.limits.idle_timeout = milliseconds(200);
  start();
  RawClient client(port());
  client.send(post(kList, "{}"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(HttpServer, TurnsAwayMoreConnectionsThanAllowed) {
  config_.limits.connections = 2;
  start();
  {
    RawClient one(port());
    RawClient two(port());
    one.send(post(kList, "{}"));
    two.send(post(kList, "{}"));
    one.read_response();
    two.read_response();
    RawClient three(port());
    EXPECT_THAT(three.read_all(), StartsWith("HTTP/1.1 503"));
  }
  // Their places are free again as soon as the server has seen them go.
  for (int tries = 0; tries < 1000; ++tries) {
    RawClient again(port());
    again.send(post(kList, "{}"));
    if (again.read_response().starts_with("HTTP/1.1 200")) return;
  }
  FAIL() << "no place was freed";
}

TEST_F(HttpServer, FreesThePlaceOfAClientThatGoesBeforeItsAnswer) {
  config_.limits.connections = 1;
  start();
  control_.hold();
  {
    RawClient gone(port());
    gone.send(post("AmazonEC2ContainerServiceV20141113.DeleteCluster", R"({"cluster":"default"})"));
    control_.await_held();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int status = 503;
  while (status == 503 && std::chrono::steady_clock::now() < deadline)
    status = get("/healthz").status;
  EXPECT_EQ(status, 200);
  control_.release(fail(Errc::Internal, "nobody listens"));
}

TEST_F(HttpServer, AnswersAClientThatHasClosedItsSide) {
  start();
  control_.hold();
  RawClient client(port());
  client.send(post("AmazonEC2ContainerServiceV20141113.DeleteCluster", R"({"cluster":"default"})"));
  client.end_sending();
  control_.await_held();
  control_.release(fail(Errc::NotFound, "Cluster not found.", Subject::Cluster));
  EXPECT_THAT(client.read_all(), HasSubstr("ClusterNotFoundException"));
}

TEST_F(HttpServer, KeepsWhatComesWhileAnAnswerIsMade) {
  start();
  control_.hold();
  RawClient client(port());
  client.send(post("AmazonEC2ContainerServiceV20141113.DeleteCluster", R"({"cluster":"default"})"));
  control_.await_held();
  const std::string next = post(kList, "{}");
  client.send(next.substr(0, 30));
  expect_alive();
  control_.release(fail(Errc::NotFound, "Cluster not found.", Subject::Cluster));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 400"));
  client.send(next.substr(30));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServer, AsksForTheBodyWhereTheClientWaitsForThat) {
  start();
  RawClient client(port());
  const std::string whole = post(kList, "{}", "Expect: 100-continue\r\n");
  const std::size_t head = whole.find("\r\n\r\n") + 4;
  client.send(whole.substr(0, head));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.send(whole.substr(head));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServer, FinishesRequestsUnderWayWhenItStops) {
  start();
  RawClient idle(port());
  idle.send(post(kList, "{}"));
  idle.read_response();
  control_.hold();
  RawClient busy(port());
  busy.send(post("AmazonEC2ContainerServiceV20141113.DeleteCluster", R"({"cluster":"default"})"));
  control_.await_held();
  std::jthread stopping([&] { server_->stop(); });
  EXPECT_EQ(idle.read_all(), "");
  control_.release(fail(Errc::NotFound, "Cluster not found.", Subject::Cluster));
  EXPECT_THAT(busy.read_all(), HasSubstr("ClusterNotFoundException"));
}

TEST_F(HttpServer, StopsInTimeThoughTheCoreNeverAnswers) {
  config_.limits.stop_grace = milliseconds(50);
  start();
  control_.hold();
  RawClient busy(port());
  busy.send(post("AmazonEC2ContainerServiceV20141113.DeleteCluster", R"({"cluster":"default"})"));
  control_.await_held();
  server_->stop();
  EXPECT_EQ(busy.read_all(), "");
  server_.reset();
  control_.release(fail(Errc::Internal, "too late"));
}

TEST_F(HttpServer, SaysSoWhereTheCoreDoesNotAnswerInTime) {
  config_.limits.answer_timeout = milliseconds(50);
  start();
  control_.hold();
  const auto reply = ecs("DeleteCluster", R"({"cluster":"default"})");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.at("__type"), "ServerException");
  control_.release(fail(Errc::Internal, "too late"));
  expect_alive();
}

TEST_F(HttpServer, RefusesToListenBeyondLoopbackUnprotected) {
  config_.address = "0.0.0.0";
  const Ports ports{.control = control_,
                    .logs = logs_,
                    .execs = execs_,
                    .stats = stats_,
                    .images = images_,
                    .rng = rng_,
                    .now = [] { return Instant(); },
                    .plugins = {},
                    .services_rest = {},
                    .metrics = nullptr};
  const auto bare = Server::start(config_, ports);
  ASSERT_FALSE(bare);
  EXPECT_EQ(bare.error().code, Errc::Precondition);
  EXPECT_THAT(bare.error().message, HasSubstr("TLS (a certificate and its key) and access keys"));
  config_.access_keys = {{"AKID", "secret", ""}};
  EXPECT_THAT(Server::start(config_, ports).error().message, Not(HasSubstr("access keys:")));
  config_.address = "127.0.0.1";
  config_.tls_certificate = "/nonexistent.pem";
  EXPECT_FALSE(Server::start(config_, ports));
  config_.tls_key = "/nonexistent.key";
  EXPECT_THAT(Server::start(config_, ports).error().message, HasSubstr("/nonexistent.pem"));
}

// A page of evil.example whose name was made to lead here.
TEST_F(HttpServer, IsNotForWebPagesWhereItHasNoKeys) {
  start();
  const auto status = [this](const std::string& host, const std::string& more = "") {
    RawClient client(port());
    client.send("POST / HTTP/1.1\r\nHost: " + host + "\r\n" + authorization() + more +
                "X-Amz-Target: " + kList + "\r\nContent-Length: 2\r\n\r\n{}");
    return parse(client.read_response()).status;
  };
  for (const char* own : {"localhost", "LocalHost:5080", "127.0.0.1", "127.0.0.1:5080", "127.1.2.3",
                          "[::1]", "[::1]:5080"}) {
    EXPECT_EQ(status(own), 200) << own;
  }
  for (const char* strange :
       {"evil.example", "evil.example:5080", "127.0.0.1.evil.example", "localhost.evil.example",
        "10.0.0.1", "[::2]", "[::1]x", "127.0.0.1:x", "localhost:"}) {
    EXPECT_EQ(status(strange), 403) << strange;
  }
  EXPECT_EQ(status("localhost", "Origin: http://evil.example\r\n"), 403);
  http::Request named{
      .method = "POST", .target = "/", .headers = {{"host", "Box.example:5080"}}, .body = ""};
  EXPECT_TRUE(http::strange_origin(named));
  EXPECT_FALSE(http::strange_origin(named, "box.Example"));
  EXPECT_TRUE(http::strange_origin(named, "ox.example"));
  RawClient client(port());
  client.send(
      "GET /berth/v1/exec HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\n\r\n");
  EXPECT_THAT(client.read_response(), HasSubstr("AccessDeniedException"));
  expect_alive();
}

TEST_F(HttpServer, SaysWhichPortIsInUse) {
  start();
  Config second = config_;
  second.port = port();
  const auto refused = Server::start(second, {.control = control_,
                                              .logs = logs_,
                                              .execs = execs_,
                                              .stats = stats_,
                                              .images = images_,
                                              .rng = rng_,
                                              .now = [] { return Instant(); },
                                              .plugins = {},
                                              .services_rest = {},
                                              .metrics = nullptr});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::AlreadyExists);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(port())));
}

TEST_F(HttpServer, CountsRequestsByOperation) {
  start();
  ecs("ListClusters", R"({"newThing":1})");
  ecs("NoSuchThing", "{}");
  RawClient client(port());
  client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string text = client.read_response();
  EXPECT_THAT(text,
              HasSubstr(R"(berth_api_requests_total{operation="ListClusters",status="200"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(operation="none",status="400"} 1)"));
  EXPECT_THAT(text, HasSubstr("berth_api_unknown_members_total 1"));
}

TEST_F(HttpServer, ShowsCountsOfRecordsAndOfItsProcess) {
  start();
  ecs("RegisterTaskDefinition",
      R"({"family":"web","containerDefinitions":[{"name":"m","image":"i","memory":8}]})");
  control_.add_task("0123456789abcdef0123456789abcdef", "web", TaskStatus::Running);
  RawClient client(port());
  client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const std::string text = client.read_response();
  EXPECT_THAT(text, HasSubstr(R"(berth_tasks{cluster="default",status="RUNNING"} 1)"));
  EXPECT_THAT(text, HasSubstr("# TYPE process_resident_memory_bytes gauge"));
  EXPECT_THAT(text, HasSubstr("process_open_fds "));
}

}  // namespace
}  // namespace berth::api
