// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/registry_link.hpp"

#include <thread>

#include "berth/v1/registry.pb.h"
#include "tests/sdk/fleet/fixture.hpp"

namespace berth::runtime {
namespace {

class RegistryLinkTest : public fleet::FleetTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.open(server_config()));
    ASSERT_TRUE(agent_.open(client_config(server_), registration()));
    link_.connect(*agent_.client);
    ASSERT_TRUE(agent_.wait_connected());
  }
  // Answers the next question.
  void answer(berth_status status, const std::string& bytes) {
    ASSERT_TRUE(server_.wait([&] { return !server_.asks.empty(); }));
    server_.server->answer(server_.asks[0].first, status, bytes);
  }
  RegistryLink link_{std::chrono::seconds(20)};
  fleet::TestServer server_;
  fleet::TestAgent agent_;
};

TEST_F(RegistryLinkTest, GivesTheControlPlanesAnswer) {
  std::jthread control([&] {
    v1::MirrorsResponse response;
    response.add_endpoints()->set_url("https://mirror");
    answer(BERTH_OK, response.SerializeAsString());
  });
  v1::MirrorsRequest request;
  request.set_registry("docker.io");
  const auto got = link_.mirrors(request);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->endpoints(0).url(), "https://mirror");
  v1::MirrorsRequest asked;
  ASSERT_TRUE(asked.ParseFromString(server_.asks[0].second.mirrors().request()));
  EXPECT_EQ(asked.registry(), "docker.io");
}

TEST_F(RegistryLinkTest, GivesTheControlPlanesRefusalWithItsWords) {
  std::jthread control([&] {
    v1::Failure failure;
    failure.set_message("no such user");
    answer(BERTH_DENIED, failure.SerializeAsString());
  });
  const auto got = link_.authorize(v1::AuthorizeRequest());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, BERTH_DENIED);
  EXPECT_EQ(got.error().message, "no such user");
}

TEST_F(RegistryLinkTest, LetsAPullGoWhenTheAgentEnds) {
  std::jthread ending([&] {
    EXPECT_TRUE(server_.wait([&] { return !server_.asks.empty(); }));
    link_.close();
  });
  const auto got = link_.mirrors(v1::MirrorsRequest());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, BERTH_CANCELLED);
  EXPECT_FALSE(link_.mirrors(v1::MirrorsRequest()));
}

}  // namespace
}  // namespace berth::runtime
