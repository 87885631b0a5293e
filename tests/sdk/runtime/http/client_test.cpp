// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/http/client.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "sdk/runtime/http/backoff.hpp"
#include "tests/support/image/http_server.hpp"

namespace berth::runtime::http {
namespace {

using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;

TEST(HttpClient, KeepsItsConnection) {
  HttpServer server{[](const HttpRequest&) { return HttpReply{.body = "hello"}; }};
  Client client;
  for (int i = 0; i < 5; ++i) {
    const auto answer = client.fetch({.url = server.url() + "/x"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "hello");
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, SendsCredentialsOverARedirectOfTheSameOriginOnly) {
  HttpServer storage{[](const HttpRequest&) { return HttpReply{.body = "blob"}; }};
  std::string elsewhere = storage.url() + "/blob?signature=1";
  HttpServer registry{[&](const HttpRequest& request) {
    if (request.target == "/first")
      return HttpReply{.status = 307, .headers = {{"Location", "/second"}}};
    return HttpReply{.status = 307, .headers = {{"Location", elsewhere}}};
  }};
  Client client;
  const auto answer =
      client.fetch({.url = registry.url() + "/first", .authorization = "Bearer secret"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "blob");
  ASSERT_EQ(registry.requests().size(), 2u);
  EXPECT_EQ(registry.requests()[1].header("authorization"), "Bearer secret");
  ASSERT_EQ(storage.requests().size(), 1u);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
  EXPECT_EQ(storage.requests()[0].target, "/blob?signature=1");
}

TEST(HttpClient, DoesNotGiveCredentialsToARedirectThatComesBack) {
  std::string back;
  HttpServer stranger{[&](const HttpRequest&) {
    return HttpReply{.status = 302, .headers = {{"Location", back + "/chosen-by-a-stranger"}}};
  }};
  HttpServer registry{[&](const HttpRequest& request) {
    if (request.target == "/first") {
      return HttpReply{.status = 302, .headers = {{"Location", stranger.url()}}};
    }
    return HttpReply{};
  }};
  back = registry.url();
  Client client;
  ASSERT_TRUE(client.fetch({.url = registry.url() + "/first", .authorization = "Basic x"}));
  ASSERT_EQ(registry.requests().size(), 2u);
  EXPECT_EQ(registry.requests()[1].header("authorization"), "");
}

TEST(HttpClient, StopsAtARingOfRedirects) {
  HttpServer server{[](const HttpRequest&) {
    return HttpReply{.status = 302, .headers = {{"Location", "/again"}}};
  }};
  Client client;
  const auto answer = client.fetch({.url = server.url()});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().status, BERTH_INVALID);
  EXPECT_LE(server.requests().size(), 7u);
}

TEST(HttpClient, RefusesRedirectsToFiles) {
  HttpServer server{[](const HttpRequest&) {
    return HttpReply{.status = 302, .headers = {{"Location", "file:///etc/passwd"}}};
  }};
  Client client;
  EXPECT_FALSE(client.fetch({.url = server.url()}));
}

TEST(HttpClient, BoundsTheBody) {
  HttpServer server{[](const HttpRequest&) { return HttpReply{.body = std::string(5000, 'x')}; }};
  Client client;
  const auto answer = client.fetch({.url = server.url(), .max_body = 4999});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().status, BERTH_INVALID);
  EXPECT_TRUE(client.fetch({.url = server.url(), .max_body = 5000}));
}

TEST(HttpClient, SaysThatATruncatedBodyMayGoBetterNextTime) {
  HttpServer server{[](const HttpRequest&) {
    return HttpReply{.body = std::string(5000, 'x'), .cut_after = 100};
  }};
  Client client;
  auto stream = client.open({.url = server.url()});
  ASSERT_TRUE(stream);
  std::size_t got = 0;
  while (true) {
    const auto bytes = stream->read();
    if (!bytes) {
      EXPECT_EQ(bytes.error().status, BERTH_UNAVAILABLE);
      break;
    }
    ASSERT_FALSE(bytes->empty()) << "a truncated body ended as if it were whole";
    got += bytes->size();
  }
  EXPECT_EQ(got, 100u);
}

TEST(HttpClient, EndsWhenCancelled) {
  std::stop_source stop;
  std::jthread canceller;
  HttpServer server{[&](const HttpRequest&) {
    canceller = std::jthread{[&] { stop.request_stop(); }};
    canceller.join();
    return HttpReply{.body = std::string(1000, 'x'), .cut_after = 0};
  }};
  Client client;
  const auto answer = client.fetch({.url = server.url(), .cancel = stop.get_token()});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().status, BERTH_CANCELLED);
}

TEST(HttpClient, NamesARefusedConnectionAsPassing) {
  std::string url;
  {
    url = HttpServer{[](const HttpRequest&) { return HttpReply{}; }}.url();
  }
  Client client;
  const auto answer = client.fetch({.url = url + "/path?secret=1"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().status, BERTH_UNAVAILABLE);
  EXPECT_EQ(answer.error().message.find("secret"), std::string::npos) << answer.error().message;
}

TEST(HttpClient, RefusesLineBreaksInHeaders) {
  HttpServer server{[](const HttpRequest&) { return HttpReply{}; }};
  Client client;
  EXPECT_FALSE(client.fetch({.url = server.url(), .authorization = "x\r\nHost: y"}));
  EXPECT_FALSE(client.fetch({.url = server.url(), .headers = {{"A", "b\nc: d"}}}));
  EXPECT_TRUE(server.requests().empty());
}

TEST(Backoff, GivesUpAfterItsAttempts) {
  Backoff backoff{{.attempts = 3, .first = std::chrono::milliseconds{1}}};
  EXPECT_TRUE(backoff.wait({}, {}));
  EXPECT_TRUE(backoff.wait({}, {}));
  EXPECT_FALSE(backoff.wait({}, {}));
}

TEST(Backoff, ReadsRetryAfter) {
  EXPECT_EQ(parse_retry_after("7"), std::chrono::seconds{7});
  EXPECT_FALSE(parse_retry_after("-1"));
  EXPECT_FALSE(parse_retry_after("Wed, 21 Oct 2026 07:28:00 GMT"));
  EXPECT_FALSE(parse_retry_after(""));
}

}  // namespace
}  // namespace berth::runtime::http
