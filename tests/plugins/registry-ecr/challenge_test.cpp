// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/challenge.hpp"

#include <gtest/gtest.h>

namespace berth::registry_ecr {
namespace {

TEST(Challenge, ReadsABearer) {
  const auto all = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].scheme, "bearer");
  EXPECT_EQ(all[0].realm, "https://auth.docker.io/token");
  EXPECT_EQ(all[0].service, "registry.docker.io");
}

TEST(Challenge, ReadsSeveral) {
  const auto all =
      parse_challenges(R"(Basic realm="a, b=\"c\"", BEARER realm=x , service = "y" ,Negotiate)");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].realm, "a, b=\"c\"");
  EXPECT_EQ(all[1].scheme, "bearer");
  EXPECT_EQ(all[1].realm, "x");
  EXPECT_EQ(all[1].service, "y");
  EXPECT_EQ(all[2].scheme, "negotiate");
}

TEST(Challenge, SurvivesRubbish) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges(",,, ,").empty());
  EXPECT_TRUE(parse_challenges("\"quoted\"").empty());
  EXPECT_EQ(parse_challenges("Bearer realm=\"no end").size(), 2u);
  EXPECT_EQ(parse_challenges("Bearer realm=\"no end")[0].realm, "");
  EXPECT_LE(parse_challenges(std::string(100000, 'a') + " b c d").size(), 16u);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "Basic,";
  EXPECT_LE(parse_challenges(many).size(), 16u);
}

}  // namespace
}  // namespace berth::registry_ecr
