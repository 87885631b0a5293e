// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/authority.hpp"

#include <gtest/gtest.h>

#include "tests/plugins/registry-ecr/asking.hpp"
#include "tests/support/image/http_server.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::registry_ecr {
namespace {

using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using testing::Test;

const std::string kBasic = "Basic realm=\"r\"";
const std::string kDenied = std::to_string(BERTH_DENIED) + ": ";

TEST(Authority, GivesEndpointsWithTheirTrust) {
  test::TempDir dir;
  test::write_text(dir / "all", "ALL");
  test::write_text(dir / "mine", "MINE");
  auto authority = authority_of({{"ca_file", dir / "all"},
                                 {"registries.\"reg.example\".ca_file", dir / "mine"},
                                 {"registries.\"reg.example\".mirrors.0", "https://mirror.example"},
                                 {"registries.\"mirror.example\".insecure_tls", "true"}});
  v1::MirrorsRequest request;
  request.set_registry("reg.example");
  request.set_repository("a");
  const auto answer = authority->mirrors(request);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->endpoints_size(), 2);
  EXPECT_EQ(answer->endpoints(0).url(), "https://mirror.example");
  EXPECT_TRUE(answer->endpoints(0).insecure_tls());
  EXPECT_EQ(answer->endpoints(0).ca_pem(), "ALL\n");
  EXPECT_EQ(answer->endpoints(1).url(), "https://reg.example");
  EXPECT_EQ(answer->endpoints(1).ca_pem(), "ALL\nMINE\n");
  EXPECT_FALSE(answer->endpoints(1).insecure_tls());
  request.set_registry("no/registry");
  EXPECT_FALSE(authority->mirrors(request));
}

TEST(Authority, GoesWithoutUntilARegistryAsks) {
  auto authority = authority_of(
      {{"registries.localhost:1.username", "u"}, {"registries.localhost:1.password", "p"}});
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1"}), "");
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1", .challenge = kBasic}), "Basic dTpw");
  // From then on it knows.
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1"}), "Basic dTpw");
}

TEST(Authority, SaysWhatToSetWhereAPasswordIsMissing) {
  auto authority = authority_of({});
  const std::string answer =
      header_for(*authority, {.registry = "localhost:1", .challenge = kBasic});
  EXPECT_TRUE(answer.starts_with(kDenied)) << answer;
  EXPECT_NE(answer.find("registries.\"localhost:1\".username"), std::string::npos) << answer;
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1"}), "") << "anonymous may still do";
}

TEST(Authority, DoesNotGiveARefusedPasswordTwice) {
  auto authority = authority_of(
      {{"registries.localhost:1.username", "u"}, {"registries.localhost:1.password", "p"}});
  const std::string answer = header_for(
      *authority, {.registry = "localhost:1", .challenge = kBasic, .rejected = "Basic dTpw"});
  EXPECT_TRUE(answer.starts_with(kDenied)) << answer;
  EXPECT_EQ(answer.find("dTpw"), std::string::npos);
}

TEST(Authority, TakesTheCredentialsThatTheContainerNames) {
  auto authority = authority_of({{"registries.localhost:1.username", "u"},
                                 {"registries.localhost:1.password", "p"},
                                 {"credentials.arn:secret.username", "c"},
                                 {"credentials.arn:secret.password", "s"}});
  EXPECT_EQ(
      header_for(*authority,
                 {.registry = "localhost:1", .challenge = kBasic, .credentials = "arn:secret"}),
      "Basic " + base64("c:s"));
  const std::string unknown = header_for(
      *authority, {.registry = "localhost:1", .challenge = kBasic, .credentials = "arn:other"});
  EXPECT_TRUE(unknown.starts_with(kDenied)) << unknown;
  EXPECT_NE(unknown.find("arn:other"), std::string::npos);
}

TEST(Authority, MakesNoHeaderForPlacesThatAreNoneOfTheRegistrys) {
  auto authority = authority_of({{"registries.localhost:1.username", "u"},
                                 {"registries.localhost:1.password", "p"},
                                 {"registries.localhost:1.mirrors.0", "https://mirror.example"}});
  for (const char* endpoint : {"http://evil.example", "http://localhost:1/", "https://localhost:1",
                               "http://localhost:1@evil", ""}) {
    v1::AuthorizeRequest request = request_of({.registry = "localhost:1", .challenge = kBasic});
    request.set_endpoint_url(endpoint);
    const auto answer = ask(*authority, request);
    ASSERT_FALSE(answer) << endpoint;
    EXPECT_EQ(answer.error().status, BERTH_DENIED);
  }
  // A mirror is a host of its own: it does not hear the registry's password, nor the container's.
  EXPECT_TRUE(header_for(*authority, {.registry = "localhost:1",
                                      .endpoint = "https://mirror.example",
                                      .challenge = kBasic})
                  .starts_with(kDenied));
}

// A token service and the challenge that leads to it.
struct TokenService {
  std::function<HttpReply(const HttpRequest&)> reply;
  HttpServer server{[this](const HttpRequest& request) { return reply(request); }};

  [[nodiscard]] std::string challenge() const {
    return "Bearer realm=\"" + server.url() +
           "/token\",service=\"our registry\",scope=\"repository:x:pull,push\"";
  }
};

TEST(Authority, DancesForABearerToken) {
  int serial = 0;
  TokenService service{[&](const HttpRequest&) {
    return HttpReply{.body =
                         R"({"token":"t)" + std::to_string(++serial) + R"(","expires_in":300})"};
  }};
  auto authority = authority_of(
      {{"registries.localhost:1.username", "u"}, {"registries.localhost:1.password", "p"}});
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1", .challenge = service.challenge()}),
            "Bearer t1");
  const auto requests = service.server.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].target,
            "/token?service=our%20registry&scope=repository%3Ateam%2Fapp%3Apull")
      << "a scope of our own";
  EXPECT_EQ(requests[0].header("authorization"), "Basic dTpw");
  // Known before the next pull even asks, and renewed where it was refused.
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1"}), "Bearer t1");
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1",
                                    .challenge = service.challenge(),
                                    .rejected = "Bearer t1"}),
            "Bearer t2");
  // Another repository is another token.
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1", .repository = "other"}),
            "Bearer t3");
}

TEST(Authority, DancesAnonymously) {
  TokenService service{[](const HttpRequest& request) {
    return request.header("authorization").empty()
               ? HttpReply{.body = R"({"access_token":"anonymous"})"}
               : HttpReply{.status = 500};
  }};
  auto authority = authority_of({});
  const auto answer =
      ask(*authority, request_of({.registry = "localhost:1", .challenge = service.challenge()}));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->header(), "Bearer anonymous");
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  EXPECT_GT(answer->expires_at_ms(), now);
  EXPECT_LE(answer->expires_at_ms(), now + 60000);
}

TEST(Authority, TellsNoStrangerThePassword) {
  TokenService service{[](const HttpRequest&) { return HttpReply{}; }};
  auto authority = authority_of({{"registries.\"reg.example\".username", "u"},
                                 {"registries.\"reg.example\".password", "p"},
                                 {"registries.\"reg.example\".plain_http", "true"}});
  const std::string answer =
      header_for(*authority, {.registry = "reg.example", .challenge = service.challenge()});
  EXPECT_TRUE(answer.starts_with(kDenied)) << answer;
  EXPECT_NE(answer.find("token_realm"), std::string::npos) << answer;
  EXPECT_TRUE(service.server.requests().empty());
  auto allowed =
      authority_of({{"registries.\"reg.example\".username", "u"},
                    {"registries.\"reg.example\".password", "p"},
                    {"registries.\"reg.example\".plain_http", "true"},
                    {"registries.\"reg.example\".token_realm", service.server.url() + "/token"}});
  EXPECT_FALSE(header_for(*allowed, {.registry = "reg.example", .challenge = service.challenge()})
                   .starts_with(kDenied + "http://reg.example sends"));
  EXPECT_EQ(service.server.requests().size(), 1u);
}

TEST(Authority, SaysWhatATokenServiceSaid) {
  int status = 401;
  std::string body = R"({"details":"incorrect username or password"})";
  TokenService service{
      [&](const HttpRequest&) { return HttpReply{.status = status, .body = body}; }};
  auto authority = authority_of(
      {{"registries.localhost:1.username", "u"}, {"registries.localhost:1.password", "hunter2"}});
  const Question question{.registry = "localhost:1", .challenge = service.challenge()};
  const std::string refused = header_for(*authority, question);
  EXPECT_TRUE(refused.starts_with(kDenied)) << refused;
  EXPECT_NE(refused.find("incorrect username"), std::string::npos);
  EXPECT_EQ(refused.find("hunter2"), std::string::npos);
  status = 503;
  EXPECT_TRUE(header_for(*authority, question).starts_with(std::to_string(BERTH_UNAVAILABLE)));
  status = 200;
  for (const char* bad :
       {"", "[]", "{}", R"({"token":""})", R"({"token":"a\r\nX: y"})", R"({"token":7})"}) {
    body = bad;
    EXPECT_TRUE(header_for(*authority, question).starts_with(std::to_string(BERTH_PRECONDITION)))
        << bad;
  }
}

TEST(Authority, TriesAgainWhereATokenServiceIsBusy) {
  int left = 2;
  TokenService service{[&](const HttpRequest&) {
    return left-- > 0 ? HttpReply{.status = 429, .headers = {{"Retry-After", "0"}}}
                      : HttpReply{.body = R"({"token":"t"})"};
  }};
  auto authority = authority_of({});
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1", .challenge = service.challenge()}),
            "Bearer t");
}

TEST(Authority, RefusesWhatHostsShouldNotAsk) {
  auto authority = authority_of({});
  for (const char* repository : {"", "A", "a b", "a:pull,push repository:b", "../x y"}) {
    EXPECT_FALSE(ask(*authority, request_of({.registry = "localhost:1", .repository = repository})))
        << repository;
  }
  EXPECT_TRUE(header_for(*authority, {.registry = "localhost:1", .challenge = "Negotiate"})
                  .starts_with(kDenied));
  EXPECT_TRUE(header_for(*authority, {.registry = "localhost:1",
                                      .challenge = "Bearer realm=\"file:///etc/passwd\""})
                  .starts_with(kDenied));
}

}  // namespace
}  // namespace berth::registry_ecr
