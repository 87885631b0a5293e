// SPDX-License-Identifier: Apache-2.0
// Roles from the operator's settings, and from an STS that checks signatures as AWS would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "plugins/roles/authority.hpp"
#include "plugins/roles/sts.hpp"
#include "tests/support/image/aws_signature.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::roles {
namespace {

using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kRole = "arn:aws:iam::000000000000:role/app";
using Settings = std::map<std::string, std::string>;

std::string problems_of(const Settings& values) {
  sdk::Settings settings(values);
  (void)read_config(settings);
  const auto checked = settings.check();
  return checked ? "" : checked.error().message;
}

Authority authority_of(const Settings& values) {
  sdk::Settings settings(values);
  Config config = read_config(settings);
  EXPECT_TRUE(settings.check()) << problems_of(values);
  return {std::move(config), "eu-west-1"};
}

sdk::Result<v1::RoleCredentials> assume(Authority& authority, const std::string& arn,
                                        const std::string& session = "task") {
  v1::AssumeRoleRequest request;
  request.set_role_arn(arn);
  request.set_session_name(session);
  return authority.assume(request, {});
}

TEST(RoleSettings, GiveTheKeysOfARole) {
  auto authority =
      authority_of({{"role." + kRole + ".access_key_id", "AKIA1"},
                    {"role." + kRole + ".secret_access_key", "s1"},
                    {"role.\"arn:aws:iam::000000000000:role/with.dots\".access_key_id", "AKIA2"},
                    {"role.\"arn:aws:iam::000000000000:role/with.dots\".secret_access_key", "s2"}});
  const auto app = assume(authority, kRole);
  ASSERT_TRUE(app);
  EXPECT_EQ(app->access_key_id(), "AKIA1");
  EXPECT_EQ(app->secret_access_key(), "s1");
  EXPECT_EQ(app->role_arn(), kRole);
  EXPECT_EQ(app->expires_at_ms(), 0);
  EXPECT_EQ(assume(authority, "arn:aws:iam::000000000000:role/with.dots")->access_key_id(),
            "AKIA2");
}

TEST(RoleSettings, ReadFilesAnewAtEachUse) {
  const test::TempDir directory;
  const std::string file = directory / "secret";
  std::ofstream(file) << "first\n";
  auto authority = authority_of({{"role." + kRole + ".access_key_id", "AKIA1"},
                                 {"role." + kRole + ".secret_access_key_file", file}});
  EXPECT_EQ(assume(authority, kRole)->secret_access_key(), "first");
  std::ofstream(file) << "second\n";
  EXPECT_EQ(assume(authority, kRole)->secret_access_key(), "second");
}

TEST(RoleSettings, AreRefusedByName) {
  EXPECT_THAT(problems_of({{"role.app.access_key_id", "A"}}),
              HasSubstr("role.app.access_key_id: must be role."));
  EXPECT_THAT(problems_of({{"role." + kRole + ".acess_key_id", "A"}}), HasSubstr("unknown key"));
  EXPECT_THAT(problems_of({{"role." + kRole + ".access_key_id", "A"}}),
              HasSubstr("neither secret_access_key nor"));
  EXPECT_THAT(problems_of({{"sts.endpoint", "sts.example"}}),
              HasSubstr("sts.endpoint: must be a URL"));
  EXPECT_THAT(problems_of({{"sts.duration_seconds", "60"}}), HasSubstr("sts.duration_seconds"));
  EXPECT_THAT(problems_of({{"assume", "*"}}), HasSubstr("no pattern of ARNs"));
  EXPECT_THAT(problems_of({{"roles", "x"}}), HasSubstr("unknown key 'roles'"));
}

TEST(RoleSettings, KnowNoOtherRole) {
  auto authority = authority_of({});
  const auto got = assume(authority, kRole);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, BERTH_NOT_FOUND);
  EXPECT_THAT(got.error().message, HasSubstr("plugins.roles.role.\"" + kRole + "\""));
}

TEST(RolePatterns, MatchAnyRunOfCharacters) {
  EXPECT_TRUE(matches("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b"));
  EXPECT_FALSE(matches("arn:aws:iam::1:role/*", "arn:aws:iam::2:role/a"));
  EXPECT_TRUE(matches("arn:*:role/app", "arn:aws:iam::2:role/app"));
  EXPECT_FALSE(matches("arn:*:role/app", "arn:aws:iam::2:role/app2"));
}

// A loopback STS.
struct Sts {
  std::optional<HttpReply> reply;
  HttpServer server{[this](const HttpRequest& request) { return answer(request); }};

  HttpReply answer(const HttpRequest& request) {
    if (!test::is_signed(request, {"AKIDSTS", "STSSECRET", "eu-west-1", "sts"})) {
      return {.status = 403,
              .body =
                  "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></"
                  "Error></ErrorResponse>"};
    }
    if (reply) return *reply;
    return {.body =
                "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></"
                "AssumedRoleUser><Credentials>"
                "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a&amp;b</"
                "SecretAccessKey><SessionToken>token==</SessionToken>"
                "<Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></"
                "AssumeRoleResponse>"};
  }
  [[nodiscard]] Settings settings() const {
    return {{"assume.0", "arn:aws:iam::000000000000:role/*"},
            {"sts.endpoint", server.url()},
            {"sts.access_key_id", "AKIDSTS"},
            {"sts.secret_access_key", "STSSECRET"},
            {"sts.external_id", "e=1"}};
  }
};

TEST(AssumedRole, IsAskedForWithAValidSignature) {
  Sts sts;
  auto authority = authority_of(sts.settings());
  const auto got = assume(authority, kRole, "0123456789abcdef0123456789abcdef");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->access_key_id(), "ASIA1");
  EXPECT_EQ(got->secret_access_key(), "a&b");
  EXPECT_EQ(got->session_token(), "token==");
  EXPECT_EQ(got->expires_at_ms(), 1'893'553'445'000);
  ASSERT_EQ(sts.server.requests().size(), 1U);
  const std::string body = sts.server.requests()[0].body;
  EXPECT_THAT(body, HasSubstr("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%"
                              "3A000000000000%3Arole%2Fapp"));
  EXPECT_THAT(body, HasSubstr("&RoleSessionName=0123456789abcdef0123456789abcdef&DurationSeconds="
                              "3600&ExternalId=e%3D1"));
}

TEST(AssumedRole, IsNotAskedForOutsideThePatterns) {
  Sts sts;
  auto authority = authority_of(sts.settings());
  EXPECT_EQ(assume(authority, "arn:aws:iam::111111111111:role/app").error().status,
            BERTH_NOT_FOUND);
  EXPECT_TRUE(sts.server.requests().empty());
}

TEST(AssumedRole, ThatIsRefusedIsToldInTheServicesWords) {
  Sts sts;
  sts.reply =
      HttpReply{.status = 403,
                .body =
                    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to "
                    "perform: sts:AssumeRole</Message></Error></ErrorResponse>"};
  auto authority = authority_of(sts.settings());
  const auto got = assume(authority, kRole);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, BERTH_DENIED);
  EXPECT_THAT(got.error().message,
              HasSubstr("AccessDenied: not authorized to perform: sts:AssumeRole"));
  EXPECT_THAT(got.error().message, Not(HasSubstr("STSSECRET")));
}

TEST(AssumedRole, IsNotBelievedWithoutAllOfIt) {
  EXPECT_FALSE(read_assumed(""));
  EXPECT_FALSE(read_assumed("<Credentials><AccessKeyId>A</AccessKeyId></Credentials>"));
  EXPECT_FALSE(read_assumed(
      "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
      "</SessionToken><Expiration>tomorrow</Expiration></Credentials>"));
  EXPECT_FALSE(read_assumed("<Credentials><AccessKeyId>A"));
}

}  // namespace
}  // namespace berth::roles
