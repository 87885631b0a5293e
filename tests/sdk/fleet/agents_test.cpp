// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include <sys/stat.h>

#include "sdk/fleet/secret.hpp"
#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

TEST_F(FleetTest, AnAgentJoinsByTokenAndIsANode) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  ASSERT_TRUE(server.wait_connected(1));
  const auto nodes = server.server->nodes();
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].id(), agent.client->node_id());
  EXPECT_EQ(nodes[0].id().size(), 32U);
  EXPECT_TRUE(nodes[0].connected());
  EXPECT_EQ(nodes[0].cluster(), "default");
  EXPECT_EQ(nodes[0].attributes(0).value(), "zone-a");
  EXPECT_EQ(nodes[0].resources(0).counter().total(), 2048);
  EXPECT_GT(nodes[0].registered_at().ms(), 0);
}

TEST_F(FleetTest, SecretsAreNobodyElsesToRead) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  struct stat s {};
  for (const char* name : {"server/join-token", "server/tls/ca.key", "server/tls/server.key", "agent"}) {
    ASSERT_EQ(::stat((dir_.path() / name).c_str(), &s), 0) << name;
    EXPECT_EQ(s.st_mode & 0777, 0600U) << name;
  }
  // The server never sees the agent's key.
  std::ifstream identity(dir_.path() / "agent", std::ios::binary);
  v1::StoredIdentity stored;
  ASSERT_TRUE(stored.ParseFromIstream(&identity));
  std::ifstream node(dir_.path() / "server/nodes" / stored.node_id(), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(node)), {});
  EXPECT_FALSE(bytes.empty());
  ASSERT_FALSE(stored.private_key().empty());
  EXPECT_EQ(bytes.find(stored.private_key()), std::string::npos);
}

TEST_F(FleetTest, AWrongSecretIsRefusedAndTheAgentKeepsAsking) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  auto config = client_config(server);
  auto token = *JoinToken::parse(config.join_token);
  token.secret = std::string(64, '0');
  config.join_token = token.text();
  TestAgent agent;
  ASSERT_TRUE(agent.open(config, registration()));
  EXPECT_TRUE(agent.logged("not the secret of this fleet's join token"));
  EXPECT_TRUE(server.logged("not the secret of this fleet's join token"));
  EXPECT_TRUE(server.server->nodes().empty());
  EXPECT_FALSE(std::filesystem::exists(config.identity_file));
}

TEST_F(FleetTest, AnAgentSaysNothingToAServerWithAnotherCertificate) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  auto config = client_config(server);
  auto token = *JoinToken::parse(config.join_token);
  token.fingerprint = std::string(64, 'a');
  config.join_token = token.text();
  TestAgent agent;
  ASSERT_TRUE(agent.open(config, registration()));
  EXPECT_TRUE(agent.logged("fingerprint of its CA is another"));
  EXPECT_TRUE(server.server->nodes().empty());
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "agent"));
}

TEST_F(FleetTest, ATokenThatIsNotOneIsRefusedAtOnceAndNotRepeated) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  auto config = client_config(server);
  config.join_token = "berth1:xyz:secret";
  TestAgent agent;
  const auto opened = agent.open(config, registration());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().status, BERTH_INVALID);
  EXPECT_EQ(opened.error().message.find("secret\""), std::string::npos);
  EXPECT_EQ(opened.error().message.find("xyz"), std::string::npos);
}

TEST_F(FleetTest, ARestartedServerKnowsItsNodesAndTheyComeBack) {
  std::uint16_t port = 0;
  TestAgent agent;
  std::string token;
  {
    TestServer server;
    ASSERT_TRUE(server.open(server_config()));
    port = server.server->port();
    token = server.server->join_token();
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(server.wait_connected(1));
  }
  ASSERT_TRUE(agent.wait([&] { return agent.disconnected == 1; }));
  TestServer server;
  auto config = server_config(port);
  ASSERT_TRUE(server.open(config));
  EXPECT_EQ(server.server->join_token(), token);
  ASSERT_TRUE(agent.wait_connected(2));
  ASSERT_TRUE(server.wait_connected(1));
  EXPECT_EQ(server.server->nodes().size(), 1U);
}

TEST_F(FleetTest, AKnownNodeIsListedDisconnectedBeforeItIsBack) {
  std::string id;
  {
    TestServer server;
    ASSERT_TRUE(server.open(server_config()));
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
    id = agent.client->node_id();
  }
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  const auto nodes = server.server->nodes();
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].id(), id);
  EXPECT_FALSE(nodes[0].connected());
  EXPECT_EQ(nodes[0].attributes_size(), 1);
}

TEST_F(FleetTest, ARestartedAgentIsTheSameNodeWithWhatItOffersNow) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  auto config = client_config(server);
  std::string id;
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(config, registration("zone-a")));
    ASSERT_TRUE(agent.wait_connected());
    id = agent.client->node_id();
  }
  ASSERT_TRUE(server.wait_connected(0));
  config.join_token.clear();  // no longer needed
  TestAgent agent;
  ASSERT_TRUE(agent.open(config, registration("zone-b")));
  ASSERT_TRUE(agent.wait_connected());
  EXPECT_EQ(agent.client->node_id(), id);
  EXPECT_TRUE(server.wait([&] { return server.nodes[id].connected() && server.nodes[id].attributes(0).value() == "zone-b"; }));
  agent.client->update(registration("zone-c"));
  EXPECT_TRUE(server.wait([&] { return server.nodes[id].attributes(0).value() == "zone-c"; }));
}

TEST_F(FleetTest, AnAgentThatAlwaysSaysSomethingElseIsHeardOnceASecond) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration("zone-a")));
  ASSERT_TRUE(server.wait_connected(1));
  const std::string id = agent.client->node_id();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 500; ++i) agent.client->update(registration(i % 2 == 0 ? "zone-b" : "zone-c"));
  agent.client->update(registration("zone-d"));
  EXPECT_TRUE(server.wait([&] { return server.nodes[id].attributes(0).value() == "zone-d"; }));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
  server.with([&] { EXPECT_LE(server.connections.size(), static_cast<std::size_t>(2 + seconds)); });
}

TEST_F(FleetTest, ATokenOfAnotherFleetJoinsAnew) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  std::string first;
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
    first = agent.client->node_id();
  }
  auto other = server_config();
  other.data_dir = dir_.path() / "other";
  TestServer second;
  ASSERT_TRUE(second.open(other));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(second), registration()));
  ASSERT_TRUE(agent.wait_connected());
  EXPECT_NE(agent.client->node_id(), first);
}

TEST_F(FleetTest, AClonedIdentityIsRefusedWhileTheFirstAgentLives) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  TestAgent first;
  ASSERT_TRUE(first.open(client_config(server), registration()));
  ASSERT_TRUE(first.wait_connected());
  std::filesystem::copy_file(dir_.path() / "agent", dir_.path() / "clone");
  TestAgent clone;
  ASSERT_TRUE(clone.open(client_config(server, "clone"), registration()));
  EXPECT_TRUE(clone.logged("lives with this identity"));
  EXPECT_EQ(first.with([&] { return first.disconnected; }), 0);
  EXPECT_EQ(clone.with([&] { return clone.connected; }), 0);
  // When the first goes, the identity is free.
  first.client.reset();
  EXPECT_TRUE(clone.wait_connected());
}

TEST_F(FleetTest, ADeregisteredNodeIsGoneAndStaysOut) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(server.wait_connected(1));
  ASSERT_TRUE(agent.wait_connected());
  ASSERT_TRUE(server.server->remove(agent.client->node_id()));
  EXPECT_TRUE(agent.logged("this host was removed from the fleet at 127.0.0.1"));
  EXPECT_TRUE(agent.wait([&] { return agent.removed == 1; }));
  EXPECT_TRUE(server.server->nodes().empty());
  EXPECT_EQ(server.with([&] { return server.removed.size(); }), 1U);
  const auto again = server.server->remove(agent.client->node_id());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().status, BERTH_NOT_FOUND);
}

TEST_F(FleetTest, AnImpossibleRegistrationIsRefusedByName) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  auto wrong = registration();
  wrong.mutable_node()->mutable_resources(0)->mutable_counter()->set_total(-1);
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), wrong));
  EXPECT_TRUE(agent.logged("resource 'CPU' has an impossible total"));
  EXPECT_TRUE(server.server->nodes().empty());
}

TEST_F(FleetTest, ManyAgentsShareOneLoop) {
  TestServer server;
  ASSERT_TRUE(server.open(server_config()));
  const auto loop = std::make_shared<Loop>();
  std::vector<std::unique_ptr<TestAgent>> agents;
  for (int i = 0; i < 30; ++i) {
    agents.push_back(std::make_unique<TestAgent>());
    ASSERT_TRUE(agents.back()->open(client_config(server, "agent" + std::to_string(i)), registration(), loop));
  }
  EXPECT_TRUE(server.wait_connected(30));
  agents.clear();
  EXPECT_TRUE(server.wait_connected(0));
  EXPECT_EQ(server.server->nodes().size(), 30U);
}

TEST_F(FleetTest, ATakenPortIsAnErrorThatNamesIt) {
  TestServer first;
  ASSERT_TRUE(first.open(server_config()));
  auto config = server_config(first.server->port());
  config.data_dir = dir_.path() / "second";
  TestServer second;
  const auto opened = second.open(config);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().status, BERTH_UNAVAILABLE);
  EXPECT_NE(opened.error().message.find(std::to_string(first.server->port())), std::string::npos);
}

}  // namespace
}  // namespace berth::fleet
