// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/reference.hpp"

#include <gtest/gtest.h>

namespace berth::runtime::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string full(std::string_view text) {
  const auto reference = parse_reference(text);
  return reference ? reference->to_string() : "refused: " + reference.error().message;
}

TEST(Reference, CompletesShortNames) {
  EXPECT_EQ(full("nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(full("nginx:1.25"), "docker.io/library/nginx:1.25");
  EXPECT_EQ(full("a/b"), "docker.io/a/b:latest");
  EXPECT_EQ(full("docker.io/nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(full("index.docker.io/nginx"), "docker.io/library/nginx:latest");
}

TEST(Reference, TellsARegistryFromAPath) {
  EXPECT_EQ(full("localhost/nginx"), "localhost/nginx:latest");
  EXPECT_EQ(full("localhost:5000/nginx:x"), "localhost:5000/nginx:x");
  EXPECT_EQ(full("host.example/a/b/c"), "host.example/a/b/c:latest");
  EXPECT_EQ(full("[::1]:5000/a"), "[::1]:5000/a:latest");
  EXPECT_EQ(full("000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"),
            "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1");
}

TEST(Reference, LetsTheDigestWinOverTheTag) {
  const auto both = parse_reference("localhost:5000/a:b@" + kDigest);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->selector(), kDigest);
  EXPECT_EQ(both->tag, "b");
  EXPECT_EQ(full("a@" + kDigest), "docker.io/library/a@" + kDigest);
}

TEST(Reference, RefusesWhatWouldNotBeAUrl) {
  for (const std::string text : {"",           "/",
                                 "a/",         "/a",
                                 "a//b",       "A",
                                 "a:",         "a:.x",
                                 "a:-x",       "a@",
                                 "a@sha256:x", "a@sha256:",
                                 "-a",         "a-",
                                 "a..b",       "a___b",
                                 "a/../b",     "../a",
                                 "a b",        "a?b",
                                 "a#b",        "a%2e",
                                 "host:0/a",   "host:99999/a",
                                 "host:5x/a",  "-host.example/a",
                                 "host..x/a",  "[::1/a",
                                 "[x]:5/a",    "http://host/a",
                                 "a:b:c",      "a@b@c"}) {
    EXPECT_FALSE(parse_reference(text)) << text;
  }
  EXPECT_FALSE(parse_reference("a@sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(parse_reference(std::string(300, 'a')));
  EXPECT_FALSE(parse_reference("a:" + std::string(129, 'a')));
  EXPECT_TRUE(parse_reference("a:" + std::string(128, 'a')));
}

TEST(Reference, SurvivesItsOwnWords) {
  for (const char* text : {"nginx", "localhost:5000/a/b-c__d.e:T_1", "x.y/z"}) {
    const std::string once = full(text);
    EXPECT_EQ(full(once), once);
  }
}

}  // namespace
}  // namespace berth::runtime::image
