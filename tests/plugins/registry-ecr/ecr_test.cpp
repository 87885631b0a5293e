// SPDX-License-Identifier: Apache-2.0
// GetAuthorizationToken against a service that checks the signature as AWS would.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <sstream>
#include <thread>

#include "sdk/runtime/image/digest.hpp"
#include "tests/plugins/registry-ecr/asking.hpp"
#include "tests/support/image/http_server.hpp"

namespace berth::registry_ecr {
namespace {

using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;

std::string hmac(const std::string& key, const std::string& text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
  return {reinterpret_cast<char*>(out), size};
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string sha(const std::string& text) {
  return runtime::image::digest_of(text).substr(7);
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) return {};
  const std::size_t start = at + from.size();
  return text.substr(start, text.find(to, start) - start);
}

// Signature Version 4, from the request as it arrived.
bool is_signed(const HttpRequest& request, const std::string& secret, const std::string& region) {
  const std::string header = request.header("authorization");
  const std::string date = request.header("x-amz-date");
  const std::string names = between(header, "SignedHeaders=", ",");
  std::string canonical = request.method + "\n/\n\n";
  std::istringstream list{names};
  for (std::string name; std::getline(list, name, ';');)
    canonical += name + ":" + request.header(name) + "\n";
  canonical += "\n" + names + "\n" + sha(request.body);
  const std::string scope = date.substr(0, 8) + "/" + region + "/ecr/aws4_request";
  if (header.find("Credential=AKID/" + scope) == std::string::npos) return false;
  if ((";" + names + ";").find(";host;") == std::string::npos) return false;
  if ((";" + names + ";").find(";x-amz-date;") == std::string::npos) return false;
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha(canonical);
  const std::string key =
      hmac(hmac(hmac(hmac("AWS4" + secret, date.substr(0, 8)), region), "ecr"), "aws4_request");
  return between(header + ",", "Signature=", ",") == hex(hmac(key, to_sign));
}

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
    if (!is_signed(request, "SECRET", "eu-west-1")) {
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

}  // namespace
}  // namespace berth::registry_ecr
