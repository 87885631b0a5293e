// SPDX-License-Identifier: Apache-2.0
// GetAuthorizationToken against a service that checks the signature as AWS would.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "tests/plugins/registry-ecr/asking.hpp"
#include "tests/support/image/aws_signature.hpp"
#include "tests/support/image/http_server.hpp"

namespace berth::registry_ecr {
namespace {

using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;

struct Ecr {
  std::atomic<int> serial{0};
  std::function<std::optional<HttpReply>(const HttpRequest&)> hook;
  HttpServer server{[this](const HttpRequest& request) { return answer(request); }};

  HttpReply answer(const HttpRequest& request) {
    if (hook) {
      if (auto reply = hook(request)) return *reply;
    }
    if (request.header("x-amz-target") !=
        "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
      return {.status = 404};
    if (!test::is_signed(request, {"AKID", "SECRET", "eu-west-1", "ecr"})) {
      return {
          .status = 403,
          .body =
              R"({"__type":"InvalidSignatureException","message":"The request signature does not match"})"};
    }
    const std::string token = base64("AWS:password" + std::to_string(++serial));
    return {.body = R"({"authorizationData":[{"authorizationToken":")" + token +
                    R"(","expiresAt":4.1E9,"proxyEndpoint":"x"}]})"};
  }
  [[nodiscard]] std::map<std::string, std::string> settings() const {
    return {{"ecr.endpoint", server.url()},
            {"ecr.region", "eu-west-1"},
            {"ecr.access_key_id", "AKID"},
            {"ecr.secret_access_key", "SECRET"},
            {"registries.localhost:1.ecr", "true"}};
  }
};

const std::string kHost = "000000000000.dkr.ecr.eu-west-1.amazonaws.com";

Question ecr_question() {
  return {.registry = kHost, .endpoint = "https://" + kHost};
}

TEST(EcrToken, IsAskedForWithAValidSignature) {
  Ecr ecr;
  auto authority = authority_of(ecr.settings());
  EXPECT_EQ(header_for(*authority, ecr_question()), "Basic " + base64("AWS:password1"));
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:1"}), "Basic " + base64("AWS:password1"))
      << "ecr = true";
  EXPECT_EQ(header_for(*authority, {.registry = "localhost:2"}), "") << "not one of ECR's";
  EXPECT_EQ(ecr.server.requests().size(), 1u);
}

TEST(EcrToken, SignsWithASessionTokenToo) {
  Ecr ecr;
  auto settings = ecr.settings();
  settings["ecr.session_token"] = "SESSION";
  auto authority = authority_of(settings);
  EXPECT_TRUE(header_for(*authority, ecr_question()).starts_with("Basic "));
  ASSERT_EQ(ecr.server.requests().size(), 1u);
  EXPECT_EQ(ecr.server.requests()[0].header("x-amz-security-token"), "SESSION");
}

TEST(EcrToken, IsSharedByPullsOfTheSameTime) {
  Ecr ecr;
  auto authority = authority_of(ecr.settings());
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        good += header_for(*authority, ecr_question()) == "Basic " + base64("AWS:password1");
      });
    }
  }
  EXPECT_EQ(good, 16);
  EXPECT_EQ(ecr.serial, 1);
}

TEST(EcrToken, IsRenewedWhereItWasRefused) {
  Ecr ecr;
  auto authority = authority_of(ecr.settings());
  const std::string first = header_for(*authority, ecr_question());
  Question again = ecr_question();
  again.rejected = first;
  EXPECT_EQ(header_for(*authority, again), "Basic " + base64("AWS:password2"));
}

TEST(EcrToken, IsNotHadWithWrongKeys) {
  Ecr ecr;
  auto settings = ecr.settings();
  settings["ecr.secret_access_key"] = "WRONG";
  auto authority = authority_of(settings);
  const std::string answer = header_for(*authority, ecr_question());
  EXPECT_TRUE(answer.starts_with(std::to_string(BERTH_DENIED))) << answer;
  EXPECT_NE(answer.find("InvalidSignatureException"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("WRONG"), std::string::npos);
}

TEST(EcrToken, ComesFromKeysInTheEnvironment) {
  Ecr ecr;
  auto settings = ecr.settings();
  settings.erase("ecr.access_key_id");
  settings.erase("ecr.secret_access_key");
  settings.erase("ecr.region");
  auto authority = authority_of(settings);
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                           "AWS_REGION", "AWS_DEFAULT_REGION"})
    unsetenv(name);
  const std::string missing = header_for(*authority, ecr_question());
  EXPECT_TRUE(missing.starts_with(std::to_string(BERTH_DENIED))) << missing;
  EXPECT_NE(missing.find("AWS_ACCESS_KEY_ID"), std::string::npos);
  setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
  EXPECT_EQ(header_for(*authority, ecr_question()), "Basic " + base64("AWS:password1"))
      << "the region is the host's";
  unsetenv("AWS_ACCESS_KEY_ID");
  unsetenv("AWS_SECRET_ACCESS_KEY");
}

// Of this process, for the length of a test.
class Environment {
 public:
  explicit Environment(std::map<std::string, std::string> values) : values_(std::move(values)) {
    for (const auto& [name, value] : values_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : values_) unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::string> values_;
};

TEST(EcrToken, IsSignedForTheRegionAndWithTheSessionOfTheEnvironment) {
  Ecr ecr;
  std::string region;
  std::string session;
  ecr.hook = [&](const HttpRequest& request) -> std::optional<HttpReply> {
    const std::string scope = request.header("authorization");
    region = scope.find("/us-gov-west-1/ecr/") != std::string::npos ? "us-gov-west-1" : scope;
    session = request.header("x-amz-security-token");
    return HttpReply{.status = 403};
  };
  auto authority =
      authority_of({{"ecr.endpoint", ecr.server.url()}, {"registries.localhost:1.ecr", "true"}});
  const Environment environment({{"AWS_ACCESS_KEY_ID", "AKID"},
                                 {"AWS_SECRET_ACCESS_KEY", "SECRET"},
                                 {"AWS_SESSION_TOKEN", "of the session"},
                                 {"AWS_REGION", "us-gov-west-1"},
                                 {"AWS_DEFAULT_REGION", "eu-north-1"}});
  header_for(*authority, {.registry = "localhost:1", .endpoint = "http://localhost:1"});
  EXPECT_EQ(region, "us-gov-west-1");
  EXPECT_EQ(session, "of the session");
}

TEST(EcrToken, IsAskedForAtTheEndpointOfTheEnvironment) {
  Ecr ecr;
  auto settings = ecr.settings();
  settings.erase("ecr.endpoint");
  auto authority = authority_of(settings);
  {
    const Environment environment(
        {{"AWS_ENDPOINT_URL_ECR", ecr.server.url()}, {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}});
    EXPECT_EQ(header_for(*authority, ecr_question()), "Basic " + base64("AWS:password1"));
  }
  const Environment general(std::map<std::string, std::string>{{"AWS_ENDPOINT_URL", "no url"}});
  const std::string refused = header_for(*authority, ecr_question());
  EXPECT_NE(refused.find("'no url', is no URL"), std::string::npos) << refused;
}

TEST(EcrToken, IsWhatEcrGivesOrNothing) {
  Ecr ecr;
  std::string body;
  ecr.hook = [&](const HttpRequest&) { return HttpReply{.body = body}; };
  auto authority = authority_of(ecr.settings());
  for (const char* bad :
       {"{}", R"({"authorizationData":[]})",
        R"({"authorizationData":[{"authorizationToken":"not base64!"}]})",
        R"({"authorizationData":[{"authorizationToken":"bm90IGF3cw=="}]})", "rubbish"}) {
    body = bad;
    EXPECT_TRUE(
        header_for(*authority, ecr_question()).starts_with(std::to_string(BERTH_PRECONDITION)))
        << bad;
  }
}

v1::AuthorizeRequest by_role(const std::string& role) {
  auto request = request_of(ecr_question());
  request.set_execution_role_arn(role);
  return request;
}

TEST(EcrToken, IsAskedForWithTheExecutionRolesCredentialsWhereTheRoleIsKnown) {
  Ecr ecr;
  std::atomic<int> assumed{0};
  sdk::Settings settings{ecr.settings()};
  Authority authority{read_config(settings), "us-east-1",
                      [&](const v1::AssumeRoleRequest& request, const auto& callback) {
                        ++assumed;
                        if (request.role_arn() != "arn:role")
                          return callback(sdk::fail(BERTH_NOT_FOUND, "no such role"));
                        v1::RoleCredentials out;
                        out.set_access_key_id("AKID");
                        out.set_secret_access_key("SECRET");
                        out.set_session_token("OF-THE-ROLE");
                        callback(out);
                      }};
  ASSERT_TRUE(ask(authority, by_role("arn:role")));
  ASSERT_TRUE(ask(authority, by_role("arn:role")));
  ASSERT_TRUE(ask(authority, by_role("arn:other")));
  const auto requests = ecr.server.requests();
  ASSERT_EQ(requests.size(), 2u) << "one for each role";
  EXPECT_EQ(requests[0].header("x-amz-security-token"), "OF-THE-ROLE");
  EXPECT_EQ(requests[1].header("x-amz-security-token"), "") << "the operator's keys";
  EXPECT_EQ(assumed, 2);
}

TEST(EcrToken, IsNotAskedForWhereTheExecutionRoleMayNotBeHad) {
  Ecr ecr;
  sdk::Settings settings{ecr.settings()};
  Authority authority{read_config(settings), "us-east-1",
                      [&](const v1::AssumeRoleRequest&, const auto& callback) {
                        callback(sdk::fail(BERTH_DENIED, "STS says no"));
                      }};
  const auto got = ask(authority, by_role("arn:role"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "STS says no");
  EXPECT_TRUE(ecr.server.requests().empty());
}

// A Secrets Manager with one secret.
struct SecretsManager {
  std::string secret = R"({"username":"robot","password":"from the secret"})";
  HttpServer server{[this](const HttpRequest& request) -> HttpReply {
    if (!test::is_signed(request, {"AKID", "SECRET", "eu-west-1", "secretsmanager"}))
      return {.status = 403};
    if (request.header("x-amz-target") != "secretsmanager.GetSecretValue") return {.status = 404};
    std::string quoted;
    for (const char c : secret) quoted += (c == '"' ? "\\\"" : std::string(1, c));
    return {.body = R"({"SecretString":")" + quoted + "\"}"};
  }};
};

TEST(RepositoryCredentials, ComeFromSecretsManagerWithTheExecutionRole) {
  SecretsManager manager;
  sdk::Settings settings{
      std::map<std::string, std::string>{{"secretsmanager_endpoint", manager.server.url()}}};
  Authority authority{read_config(settings), "us-east-1",
                      [&](const v1::AssumeRoleRequest& request, const auto& callback) {
                        if (request.role_arn() != "arn:role")
                          return callback(sdk::fail(BERTH_NOT_FOUND, "no such role"));
                        v1::RoleCredentials out;
                        out.set_access_key_id("AKID");
                        out.set_secret_access_key("SECRET");
                        callback(out);
                      }};
  auto request = request_of(
      {.registry = "localhost:1",
       .challenge = "Basic realm=\"x\"",
       .credentials = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:robot-AbCdEf"});
  request.set_execution_role_arn("arn:role");
  const auto got = ask(authority, request);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->header(), "Basic " + base64("robot:from the secret"));
  request.set_execution_role_arn("arn:other");
  EXPECT_FALSE(ask(authority, request)) << "another role's secret is not given";
  manager.secret = R"({"user":"robot"})";
  request.set_execution_role_arn("");
  const auto without = ask(authority, request);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().status, BERTH_DENIED);
}

}  // namespace
}  // namespace berth::registry_ecr
