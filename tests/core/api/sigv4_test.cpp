// SPDX-License-Identifier: Apache-2.0
// The signatures are those of an independent signer (Python's hmac over the published recipe).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/api/sigv4/verifier.hpp"

namespace berth::api::sigv4 {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr const char* kSignature =
    "8cfec2f24eda7ffa9d9217123cddcaff63d10f862d28a1a48cc160f30cf6ee80";

// 2026-11-23T12:00:00Z
Instant noon() {
  return std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + std::chrono::hours(12);
}

struct Parts {
  std::string algorithm = "AWS4-HMAC-SHA256";
  std::string credential = "Credential=AKID/20261123/us-east-1/ecs/aws4_request";
  std::string headers = "SignedHeaders=content-type;host;x-amz-date;x-amz-target";
  std::string signature = std::string("Signature=") + kSignature;
};

http::Request request_with(const Parts& parts = {}) {
  return {.method = "POST",
          .target = "/",
          .headers = {{"host", "127.0.0.1:5080"},
                      {"content-type", "application/x-amz-json-1.1"},
                      {"x-amz-date", "20261123T120000Z"},
                      {"x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters"},
                      {"authorization", parts.algorithm + " " + parts.credential + ", " +
                                            parts.headers + ", " + parts.signature}},
          .body = "{}"};
}

void set_header(http::Request& request, const std::string& name, const std::string& value) {
  for (auto& header : request.headers) {
    if (header.name == name) header.value = value;
  }
}

class Signatures : public testing::Test {
 protected:
  tl::expected<Identity, Refusal> verify(const http::Request& request,
                                         const char* service = "ecs") {
    return Verifier({{"OTHER", "x", ""}, {"AKID", kSecret, "arn:aws:iam::1:user/me"}},
                    [this] { return now_; })
        .verify(request, service);
  }
  std::string type_of(const http::Request& request) {
    const auto verified = verify(request);
    return verified ? "" : verified.error().type;
  }
  std::string text_of(const http::Request& request) {
    const auto verified = verify(request);
    return verified ? "" : verified.error().message;
  }
  Instant now_ = noon();
};

TEST_F(Signatures, PassWhenRight) {
  const auto verified = verify(request_with());
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->key_id, "AKID");
  EXPECT_EQ(verified->principal, "arn:aws:iam::1:user/me");
}

TEST_F(Signatures, PassWithACommaAloneBetweenParts) {
  auto request = request_with();
  std::string text = *request.header("authorization");
  for (std::size_t at; (at = text.find(", ")) != std::string::npos;) text.erase(at + 1, 1);
  set_header(request, "authorization", text);
  EXPECT_TRUE(verify(request));
}

TEST_F(Signatures, CoverQueryAndHeadersInCanonicalForm) {
  const http::Request request{
      .method = "GET",
      .target = "/berth/v1/logs?task=x/y&cluster=a%20b",
      .headers = {{"host", "localhost"},
                  {"x-amz-date", "20261123T120000Z"},
                  {"x-note", "  a   b "},
                  {"authorization",
                   "AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/ecs/aws4_request, "
                   "SignedHeaders=host;x-amz-date;x-note, Signature="
                   "abef80def61bf2c14c5c0146188be72390de1cc843e085d08fc8fdac55096bf2"}},
      .body = ""};
  EXPECT_TRUE(verify(request));
}

TEST_F(Signatures, MayStandInTheQueryString) {
  http::Request request{
      .method = "GET",
      .target =
          "/berth/v1/logs?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261123%"
          "2Fus-east-1%2Fecs%2Faws4_request&X-Amz-Date=20261123T120000Z&X-Amz-Expires=60&"
          "X-Amz-SignedHeaders=host&task=t&X-Amz-Signature="
          "a61672af0e087462e94a096eec86776f54dc0475a39d3d619223e581e9fb757b",
      .headers = {{"host", "localhost"}},
      .body = ""};
  EXPECT_TRUE(verify(request));
  now_ = noon() + std::chrono::seconds(61);
  EXPECT_THAT(text_of(request), HasSubstr("Signature expired"));
  request.headers.push_back({"authorization", "AWS4-HMAC-SHA256 x"});
  EXPECT_EQ(type_of(request), "InvalidSignatureException");
}

TEST_F(Signatures, FailWhenAnythingSignedChanges) {
  auto other_body = request_with();
  other_body.body = "{ }";
  auto other_target = request_with();
  set_header(other_target, "x-amz-target", "AmazonEC2ContainerServiceV20141113.DeleteCluster");
  auto other_host = request_with();
  set_header(other_host, "host", "127.0.0.1:5081");
  auto other_path = request_with();
  other_path.target = "/x";
  auto other_query = request_with();
  other_query.target = "/?a=b";
  auto other_region =
      request_with({.credential = "Credential=AKID/20261123/eu-west-1/ecs/aws4_request"});
  for (const auto& request :
       {other_body, other_target, other_host, other_path, other_query, other_region}) {
    EXPECT_EQ(type_of(request), "InvalidSignatureException");
    EXPECT_THAT(text_of(request), StartsWith("The request signature we calculated does not match"));
  }
}

TEST_F(Signatures, FailWhenTheBodyIsNotTheOneWhoseHashWasSigned) {
  auto request = request_with();
  request.headers.push_back({"x-amz-content-sha256", std::string(64, '0')});
  EXPECT_EQ(type_of(request), "InvalidSignatureException");
}

TEST_F(Signatures, NeverShowTheSecret) {
  auto request = request_with();
  request.body = "x";
  EXPECT_THAT(text_of(request), testing::Not(HasSubstr(kSecret)));
}

TEST_F(Signatures, AreMissedWhereThereAreNone) {
  auto request = request_with();
  request.headers.pop_back();
  EXPECT_EQ(type_of(request), "MissingAuthenticationTokenException");
  EXPECT_EQ(text_of(request), "Request is missing Authentication Token");
  EXPECT_EQ(type_of(request_with({.algorithm = "Basic"})), "MissingAuthenticationTokenException");
}

TEST_F(Signatures, AreIncompleteWithoutTheirParts) {
  auto request = request_with({.credential = "X=1", .headers = "Y=1", .signature = "Z=1"});
  EXPECT_EQ(type_of(request), "IncompleteSignatureException");
  EXPECT_THAT(text_of(request),
              StartsWith("Authorization header requires 'Credential' parameter. Authorization "
                         "header requires 'Signature' parameter. Authorization header requires "
                         "'SignedHeaders' parameter. Authorization="));
  EXPECT_EQ(type_of(request_with({.algorithm = "AWS4-HMAC-SHA1"})), "IncompleteSignatureException");
  EXPECT_EQ(type_of(request_with({.credential = "Credential=AKID/20261123/us-east-1/ecs"})),
            "IncompleteSignatureException");
  auto undated = request_with();
  set_header(undated, "x-amz-date", "Mon, 23 Nov 2026 12:00:00 GMT");
  EXPECT_EQ(type_of(undated), "IncompleteSignatureException");
  EXPECT_THAT(text_of(undated), HasSubstr("Mon, 23 Nov 2026"));
}

TEST_F(Signatures, MustCoverTheHost) {
  EXPECT_EQ(type_of(request_with({.headers = "SignedHeaders=content-type;x-amz-date"})),
            "InvalidSignatureException");
}

TEST_F(Signatures, HoldForAQuarterOfAnHourAround) {
  now_ = noon() + std::chrono::minutes(15);
  EXPECT_TRUE(verify(request_with()));
  now_ += std::chrono::seconds(1);
  EXPECT_EQ(text_of(request_with()),
            "Signature expired: 20261123T120000Z is now earlier than 20261123T120001Z "
            "(20261123T121501Z - 15 min.)");
  now_ = noon() - std::chrono::seconds(901);
  EXPECT_EQ(text_of(request_with()),
            "Signature not yet current: 20261123T120000Z is still later than 20261123T115959Z "
            "(20261123T114459Z + 15 min.)");
}

TEST_F(Signatures, TellTheFirstOfSeveralFaultsInAwssOrder) {
  Parts parts{.credential = "Credential=NOBODY/20261122/us-east-1/sqs",
              .headers = "SignedHeaders=content-type;x-amz-date"};
  auto request = request_with(parts);
  set_header(request, "x-amz-date", "yesterday");
  EXPECT_THAT(text_of(request), StartsWith("Date must be in ISO-8601"));
  now_ = noon() + std::chrono::hours(1);
  EXPECT_THAT(text_of(request_with(parts)), StartsWith("Signature expired"));
  now_ = noon();
  EXPECT_THAT(text_of(request_with(parts)), HasSubstr("must be a 'SignedHeader'"));
  parts.headers += ";host";
  EXPECT_THAT(text_of(request_with(parts)), StartsWith("Credential must have exactly 5"));
  parts.credential += "/aws4_request";
  EXPECT_THAT(text_of(request_with(parts)), HasSubstr("scoped to correct service"));
  parts.credential = "Credential=NOBODY/20261123/us-east-1/ecs/aws4_request";
  EXPECT_THAT(text_of(request_with(parts)), StartsWith("The security token included"));
}

TEST_F(Signatures, AreForOneServiceAndDay) {
  EXPECT_THAT(
      text_of(request_with({.credential = "Credential=AKID/20261122/us-east-1/sqs/aws5_request"})),
      testing::AllOf(HasSubstr("correct service: 'ecs'"), HasSubstr("valid terminator"),
                     HasSubstr("'20261122' != '20261123'")));
}

TEST_F(Signatures, OfUnknownKeysAreRefused) {
  const auto request =
      request_with({.credential = "Credential=NOBODY/20261123/us-east-1/ecs/aws4_request"});
  EXPECT_EQ(type_of(request), "UnrecognizedClientException");
  EXPECT_EQ(text_of(request), "The security token included in the request is invalid.");
}

TEST_F(Signatures, NeedNoKeyWhereNoneIsConfiguredButTheirForm) {
  const Verifier open({}, [] { return noon() + std::chrono::hours(100); });
  EXPECT_TRUE(open.verify(request_with(), "ecs"));
  EXPECT_EQ(open.verify(request_with(), "ecs")->key_id, "AKID");
  EXPECT_FALSE(open.verify(request_with({.signature = "Signature=abc"}), "ecs"));
  auto unsigned_request = request_with();
  unsigned_request.headers.pop_back();
  EXPECT_FALSE(open.verify(unsigned_request, "ecs"));
}

}  // namespace
}  // namespace berth::api::sigv4
