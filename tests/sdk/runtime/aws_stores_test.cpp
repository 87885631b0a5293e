// SPDX-License-Identifier: Apache-2.0
// Parameters, secrets and objects from services that check signatures as AWS would.
#include "sdk/runtime/secrets/aws_stores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sdk/runtime/secrets/resolver.hpp"
#include "tests/support/image/aws_signature.hpp"

namespace berth::runtime::secrets {
namespace {

namespace json = boost::json;
using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr const char* kSecretArn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";
constexpr const char* kParameterArn = "arn:aws:ssm:us-east-1:000000000000:parameter/app/one";

class AwsStoresTest : public ::testing::Test {
 protected:
  HttpReply refuse(const char* type, int status = 400) {
    return {.status = status,
            .body = std::string(R"({"__type":")") + type + R"(","message":"not for you"})"};
  }
  HttpReply answer(const HttpRequest& request, const char* service) {
    if (!test::is_signed(request, {"ASIA1", "role-secret", "us-east-1", service}))
      return refuse("InvalidSignatureException", 403);
    if (request.header("x-amz-security-token") != "role-token")
      return refuse("UnrecognizedClientException");
    if (request.header("x-amz-target") == "AmazonSSM.GetParameters")
      return parameters(json::parse(request.body).as_object());
    if (request.header("x-amz-target") == "secretsmanager.GetSecretValue")
      return secret(json::parse(request.body).as_object());
    if (request.target == "/bucket/dir/app.env") return {.body = "A=from s3\n"};
    return {.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"};
  }
  HttpReply parameters(const json::object& body) {
    if (!body.at("WithDecryption").as_bool()) return refuse("ValidationException");
    json::array found;
    json::array invalid;
    for (const auto& name : body.at("Names").as_array()) {
      if (name == "/app/one" || name == kParameterArn) {
        found.emplace_back(
            json::object{{"Name", "/app/one"}, {"ARN", kParameterArn}, {"Value", "value one"}});
      } else if (name == "two") {
        found.emplace_back(json::object{{"Name", "two"}, {"Value", "value two"}});
      } else {
        invalid.emplace_back(name);
      }
    }
    return {.body = json::serialize(
                json::object{{"Parameters", found}, {"InvalidParameters", invalid}})};
  }
  HttpReply secret(const json::object& body) {
    if (body.at("SecretId") != kSecretArn) return refuse("com.amazonaws#ResourceNotFoundException");
    if (body.contains("VersionStage") && body.at("VersionStage") == "AWSPREVIOUS")
      return {.body = R"({"SecretString":"the old one"})"};
    return {.body = R"({"SecretString":"{\"user\":\"admin\"}"})"};
  }

  HttpServer ssm_{[this](const HttpRequest& request) { return answer(request, "ssm"); }};
  HttpServer manager_{
      [this](const HttpRequest& request) { return answer(request, "secretsmanager"); }};
  HttpServer s3_{[this](const HttpRequest& request) { return answer(request, "s3"); }};
  ResolverSettings settings_{.directory = {},
                             .environment_files = {},
                             .ask_aws = true,
                             .region = {},
                             .aws = {.ssm_endpoint = ssm_.url(),
                                     .secretsmanager_endpoint = manager_.url(),
                                     .s3_endpoint = s3_.url()}};
  v1::StartTaskRequest task_;
  std::string role_secret_ = "role-secret";

  AwsStoresTest() {
    task_.set_task_arn("arn:aws:ecs:us-east-1:000000000000:task/default/t");
    task_.mutable_definition()->add_container_definitions()->set_name("main");
  }
  void want(const char* name, const std::string& from) {
    auto* secret = task_.mutable_definition()->mutable_container_definitions(0)->add_secrets();
    secret->set_name(name);
    secret->set_value_from(from);
  }
  [[nodiscard]] std::vector<v1::ecs::Secret> wanted() const {
    const auto& secrets = task_.definition().container_definitions(0).secrets();
    return {secrets.begin(), secrets.end()};
  }
  sdk::Result<v1::RoleCredentials> credentials() const {
    v1::RoleCredentials out;
    out.set_access_key_id("ASIA1");
    out.set_secret_access_key(role_secret_);
    out.set_session_token("role-token");
    return out;
  }
  sdk::Result<Variables> resolve() {
    Resolver resolver(settings_);
    return resolver.secrets(task_, wanted(), [this] { return credentials(); });
  }
};

TEST_F(AwsStoresTest, GiveParametersInOneCallOfARegionAndSecretsByKeyAndVersion) {
  want("ONE", "/app/one");
  want("ARN", kParameterArn);
  want("TWO", "two");
  want("WHOLE", kSecretArn);
  want("USER", std::string(kSecretArn) + ":user::");
  want("OLD", std::string(kSecretArn) + "::AWSPREVIOUS:");
  const auto got = resolve();
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(*got, ElementsAre(Pair("ONE", "value one"), Pair("ARN", "value one"),
                                Pair("TWO", "value two"), Pair("WHOLE", R"({"user":"admin"})"),
                                Pair("USER", "admin"), Pair("OLD", "the old one")));
  EXPECT_EQ(ssm_.requests().size(), 1U);
}

TEST_F(AwsStoresTest, TellMissingParametersInECSsWords) {
  want("ONE", "/app/one");
  want("NONE", "/app/none");
  want("ALSO", "also-none");
  const auto got = resolve();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            "resource retrieval failed: "
            "unable to retrieve secrets from ssm: invalid parameters: /app/none,also-none");
}

TEST_F(AwsStoresTest, TellAMissingSecretInTheServicesWords) {
  want("NONE", "arn:aws:secretsmanager:us-east-1:000000000000:secret:none-AbCdEf");
  const auto got = resolve();
  ASSERT_FALSE(got);
  EXPECT_THAT(
      got.error().message,
      HasSubstr("unable to retrieve secret from asm: failed to fetch secret "
                "arn:aws:secretsmanager:us-east-1:000000000000:"
                "secret:none-AbCdEf from secrets manager: ResourceNotFoundException: not for you"));
}

TEST_F(AwsStoresTest, TellARefusedSignatureAndNothingOfTheKey) {
  role_secret_ = "some-other-secret";
  want("ONE", "/app/one");
  const auto got = resolve();
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("InvalidSignatureException"));
  EXPECT_THAT(got.error().message, Not(HasSubstr("some-other-secret")));
}

TEST_F(AwsStoresTest, AreNotAskedWithoutTheExecutionRole) {
  want("ONE", "/app/one");
  Resolver resolver(settings_);
  const auto got = resolver.secrets(task_, wanted(), [] {
    return sdk::Result<v1::RoleCredentials>(sdk::fail(BERTH_NOT_FOUND, "no such role"));
  });
  ASSERT_FALSE(got);
  EXPECT_THAT(
      got.error().message,
      HasSubstr("the credentials of the execution role cannot be had for /app/one: no such role"));
  EXPECT_TRUE(ssm_.requests().empty());
}

TEST_F(AwsStoresTest, GiveEnvironmentFilesFromS3) {
  auto* file =
      task_.mutable_definition()->mutable_container_definitions(0)->add_environment_files();
  file->set_value("arn:aws:s3:::bucket/dir/app.env");
  file->set_type("s3");
  Resolver resolver(settings_);
  const auto got = resolver.environment_files(task_, 0, [this] { return credentials(); });
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(*got, ElementsAre(Pair("A", "from s3")));
  file->set_value("arn:aws:s3:::bucket/none.env");
  const auto missing = resolver.environment_files(task_, 0, [this] { return credentials(); });
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, StartsWith("ResourceInitializationError: failed to download "
                                                  "env files: arn:aws:s3:::bucket/none.env: "));
}

}  // namespace
}  // namespace berth::runtime::secrets
