// SPDX-License-Identifier: Apache-2.0
// The plugin as the core meets it.
#include <gmock/gmock.h>

#include "berth/v1/registry.pb.h"
#include "tests/contract/harness.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

class RegistryEcr : public ::testing::Test {
 protected:
  Harness plugin_{BERTH_TEST_REGISTRY_ECR};

  static v1::PluginConfig settings(const std::map<std::string, std::string>& values) {
    v1::PluginConfig config;
    config.mutable_settings()->insert(values.begin(), values.end());
    config.set_region("us-east-1");
    return config;
  }
};

TEST_F(RegistryEcr, NamesEndpointsAndAnswersAChallenge) {
  plugin_.activate(settings({{"registries.\"127.0.0.1:5000\".username", "u"},
                             {"registries.\"127.0.0.1:5000\".password", "p"}}));
  v1::MirrorsRequest where;
  where.set_registry("127.0.0.1:5000");
  where.set_repository("team/app");
  const auto endpoints = plugin_.call<v1::MirrorsResponse>(v1::METHOD_REGISTRY_MIRRORS, where);
  ASSERT_TRUE(endpoints) << endpoints.error().message;
  ASSERT_EQ(endpoints->endpoints_size(), 1);
  EXPECT_EQ(endpoints->endpoints(0).url(), "http://127.0.0.1:5000");
  EXPECT_TRUE(endpoints->endpoints(0).resolve_tags());

  v1::AuthorizeRequest who;
  who.set_registry("127.0.0.1:5000");
  who.set_repository("team/app");
  who.set_endpoint_url(endpoints->endpoints(0).url());
  who.set_challenge("Basic realm=\"x\"");
  const auto header = plugin_.call<v1::AuthorizeResponse>(v1::METHOD_REGISTRY_AUTHORIZE, who);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->header(), "Basic dTpw");
  who.set_rejected_header(header->header());
  const auto refused = plugin_.call<v1::AuthorizeResponse>(v1::METHOD_REGISTRY_AUTHORIZE, who);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Denied);
}

TEST_F(RegistryEcr, DoesNotStartWithAKeyThatItDoesNotKnow) {
  const auto begun = plugin_.begin(settings({{"registries.\"a.example\".pasword", "hunter2"}}));
  ASSERT_FALSE(begun);
  EXPECT_THAT(plugin_.log() + begun.error().message, HasSubstr("registries.\"a.example\".pasword"));
  EXPECT_THAT(plugin_.log() + begun.error().message, ::testing::Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace berth::test
