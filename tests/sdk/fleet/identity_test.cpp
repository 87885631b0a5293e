// SPDX-License-Identifier: Apache-2.0
// Certificates of agents: issued at the join, shown ever after, renewed in time, worthless once
// expired or revoked.
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "sdk/fleet/agent_certificate.hpp"
#include "sdk/fleet/credentials.hpp"
#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/x509.hpp"
#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

namespace asio = boost::asio;

class FleetIdentity : public FleetTest {
 protected:
  // By a clock of the test's own; certificates last an hour.
  [[nodiscard]] ServerConfig config(std::uint16_t port = 0) {
    auto config = server_config(port);
    config.certificate_lifetime = 1h;
    config.now_ms = [this] { return now_.load(); };
    return config;
  }
  void pass(std::chrono::milliseconds time) { now_ += time.count(); }
  [[nodiscard]] v1::StoredIdentity identity(const std::string& name = "agent") const {
    std::ifstream file(dir_.path() / name, std::ios::binary);
    v1::StoredIdentity stored;
    EXPECT_TRUE(stored.ParseFromIstream(&file));
    return stored;
  }
  [[nodiscard]] std::int64_t expiry() const {
    return peer_certificate(x509::certificate_of_der(identity().certificate()).get())->expires_ms;
  }

  std::atomic<std::int64_t> now_{1'800'000'000'000};
};

TEST_F(FleetIdentity, IsACertificateOfTheFleetsCaForThisNodeAlone) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  const auto stored = identity();
  const auto certificate = x509::certificate_of_der(stored.certificate());
  ASSERT_TRUE(certificate);
  EXPECT_EQ(peer_certificate(certificate.get())->node_id, agent.client->node_id());
  EXPECT_EQ(expiry(), now_ + 3'600'000);
  const auto ca =
      x509::certificate_of_pem(load_or_make_credentials(dir_.path() / "server/tls")->ca_pem);
  EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(ca.get())), 1);
  EXPECT_TRUE(belongs_together(stored.certificate(), stored.private_key(), stored.node_id()));
  EXPECT_FALSE(
      belongs_together(stored.certificate(), make_certificate_request()->key, stored.node_id()));
  ASSERT_TRUE(server.wait_connected(1));
  const auto node = server.server->nodes().at(0);
  EXPECT_EQ(node.certificate_expires_at().ms(), now_ + 3'600'000);
  EXPECT_EQ(node.address(), "127.0.0.1");
}

TEST_F(FleetIdentity, IsRenewedAtTwoThirdsOverTheLivingConnection) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  const auto first = identity();
  pass(39min);
  agent.client->report(task_report('a', 1));
  ASSERT_TRUE(server.wait([&] { return server.reports.size() == 1; }));
  EXPECT_EQ(identity().certificate(), first.certificate());
  pass(2min);
  ASSERT_TRUE(agent.logged("has a new certificate"));
  const auto second = identity();
  EXPECT_NE(second.private_key(), first.private_key());
  EXPECT_EQ(second.node_id(), first.node_id());
  EXPECT_EQ(expiry(), now_ + 3'600'000);
  EXPECT_TRUE(server.wait([&] {
    return server.nodes[first.node_id()].certificate_expires_at().ms() == now_ + 3'600'000;
  }));
  // The first has expired by now; the connection lives, and the next one is made with the second.
  pass(30min);
  agent.client->report(task_report('a', 2));
  ASSERT_TRUE(server.wait([&] { return server.reports.size() == 2; }));
  EXPECT_EQ(agent.with([&] { return agent.disconnected; }), 0);
  agent.client.reset();
  TestAgent again;
  ASSERT_TRUE(again.open(client_config(server), registration()));
  ASSERT_TRUE(again.wait_connected());
  EXPECT_EQ(again.client->node_id(), first.node_id());
}

TEST_F(FleetIdentity, ThatHasExpiredComesBackAsTheSameNodeByTheToken) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  auto settings = client_config(server);
  std::string id;
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(settings, registration()));
    ASSERT_TRUE(agent.wait_connected());
    id = agent.client->node_id();
  }
  pass(61min);
  settings.join_token.clear();
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(settings, registration()));
    EXPECT_TRUE(
        agent.logged("its certificate has expired; start this agent with the fleet's join token"));
    EXPECT_EQ(agent.with([&] { return agent.connected; }), 0);
  }
  settings.join_token = server.server->join_token();
  TestAgent agent;
  ASSERT_TRUE(agent.open(settings, registration()));
  ASSERT_TRUE(agent.wait_connected());
  EXPECT_EQ(agent.client->node_id(), id);
  EXPECT_EQ(expiry(), now_ + 3'600'000);
  EXPECT_EQ(server.server->nodes().size(), 1U);
}

TEST_F(FleetIdentity, ThatCannotBeStoredAnewGoesOnAsItWas) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  const std::string id = agent.client->node_id();
  // Nothing can be renamed to a directory that is not empty.
  std::filesystem::rename(dir_.path() / "agent", dir_.path() / "kept");
  std::filesystem::create_directories(dir_.path() / "agent/in-the-way");
  pass(41min);
  ASSERT_TRUE(server.logged("has a new certificate"));
  ASSERT_TRUE(agent.logged((dir_.path() / "agent").string())) << "why it could not be stored";
  EXPECT_EQ(agent.with([&] { return agent.disconnected; }), 0);
  std::filesystem::remove_all(dir_.path() / "agent");
  std::filesystem::rename(dir_.path() / "kept", dir_.path() / "agent");
  // The old one goes on to count: a server that restarts lets it in, and asks again.
  const auto port = server.server->port();
  server.server.reset();
  TestServer next;
  ASSERT_TRUE(next.open(config(port)));
  ASSERT_TRUE(agent.wait_connected(2));
  ASSERT_TRUE(agent.logged("has a new certificate"));
  EXPECT_EQ(identity().node_id(), id);
  EXPECT_EQ(expiry(), now_ + 3'600'000);
}

TEST_F(FleetIdentity, ThatIsNotRenewedEndsItsConnectionWhenItExpires) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
  }
  ASSERT_TRUE(server.wait_connected(0));
  // An agent that is deaf to being asked.
  const auto stored = identity();
  Heard heard;
  std::shared_ptr<Connection> connection;
  bool welcome = false;
  bool asked = false;
  v1::Goodbye goodbye;
  Loop loop;
  const auto dialling = dial(loop,
                             {.endpoint = {"127.0.0.1", server.server->port()},
                              .fingerprint = stored.server_fingerprint(),
                              .certificate = stored.certificate(),
                              .key = stored.private_key()},
                             [&](sdk::Result<std::shared_ptr<Connection>> dialled) {
                               if (!dialled) return;
                               connection = *dialled;
                               connection->start({.frame =
                                                      [&](v1::Frame&& frame) {
                                                        heard.with([&] {
                                                          welcome = welcome || frame.has_welcome();
                                                          asked = asked || frame.has_renew();
                                                          if (frame.has_goodbye())
                                                            goodbye = frame.goodbye();
                                                        });
                                                      },
                                                  .closed = {}});
                               v1::Frame hello;
                               hello.mutable_hello()->set_protocol(1);
                               hello.mutable_hello()->set_incarnation(random_hex(16));
                               *hello.mutable_hello()->mutable_registration() = registration();
                               connection->send(hello);
                             });
  ASSERT_TRUE(heard.wait([&] { return welcome; }));
  pass(41min);
  ASSERT_TRUE(heard.wait([&] { return asked; }));
  pass(20min);
  ASSERT_TRUE(heard.wait([&] { return goodbye.code() == v1::Goodbye::CODE_CERTIFICATE_EXPIRED; }));
  ASSERT_TRUE(server.wait_connected(0));
  loop.run([&] { connection.reset(); });
}

TEST_F(FleetIdentity, ThatIsRevokedIsWorthlessAtOnceAndAfterARestart) {
  std::string id;
  std::uint16_t port = 0;
  {
    TestServer server;
    ASSERT_TRUE(server.open(config()));
    port = server.server->port();
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
    id = agent.client->node_id();
    std::filesystem::copy_file(dir_.path() / "agent", dir_.path() / "stolen");
    ASSERT_TRUE(server.server->remove(id));
    ASSERT_TRUE(agent.wait([&] { return agent.disconnected == 1 && agent.removed == 1; }));
  }
  TestServer server;
  ASSERT_TRUE(server.open(config(port)));
  TestAgent thief;
  ASSERT_TRUE(thief.open(client_config(server, "stolen"), registration()));
  EXPECT_TRUE(server.logged("the node was removed from this fleet"));
  EXPECT_TRUE(thief.wait([&] { return thief.removed == 1; }));
  EXPECT_EQ(thief.with([&] { return thief.connected; }), 0);
  EXPECT_TRUE(server.server->nodes().empty());
}

TEST_F(FleetIdentity, ThatWasRemovedBeatsNoMore) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  ASSERT_TRUE(server.server->remove(agent.client->node_id()));
  ASSERT_TRUE(agent.wait([&] { return agent.removed == 1; }));
  // Its process lives on, for its tasks: several heartbeats' time passes.
  Loop clock;
  bool passed = false;
  Loop::Timer timer;
  clock.run([&] {
    timer = clock.after(4 * server_config().heartbeat, [&] { agent.with([&] { passed = true; }); });
  });
  ASSERT_TRUE(agent.wait([&] { return passed; }));
  EXPECT_EQ(agent.with([&] { return agent.connected; }), 1);
  clock.run([&] { timer.reset(); });
}

TEST_F(FleetIdentity, ThatWasLostByItsServerIsNotTakenForARevokedOne) {
  std::uint16_t port = 0;
  std::string id;
  {
    TestServer server;
    ASSERT_TRUE(server.open(config()));
    port = server.server->port();
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
  }
  std::filesystem::remove_all(dir_.path() / "server/nodes");
  TestServer server;
  ASSERT_TRUE(server.open(config(port)));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  EXPECT_TRUE(agent.logged("no node has this identity here"));
  EXPECT_EQ(agent.with([&] { return agent.removed; }), 0);
}

TEST_F(FleetIdentity, ThatWasRemovedIsKnownSoInLaterProcesses) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  const auto settings = client_config(server);
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(settings, registration()));
    ASSERT_TRUE(agent.wait_connected());
    ASSERT_TRUE(server.server->remove(agent.client->node_id()));
    ASSERT_TRUE(agent.wait([&] { return agent.removed == 1; }));
  }
  server.server.reset();  // it need not be told again
  TestAgent agent;
  ASSERT_TRUE(agent.open(settings, registration()));
  EXPECT_TRUE(agent.wait([&] { return agent.removed == 1; }));
}

TEST_F(FleetIdentity, OfAnAgentIsNoServers) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestAgent agent;
  ASSERT_TRUE(agent.open(client_config(server), registration()));
  ASSERT_TRUE(agent.wait_connected());
  // A host of the fleet plays the control plane with what it has: its certificate, and the CA's.
  const auto stored = identity();
  const auto credentials = load_or_make_credentials(dir_.path() / "server/tls");
  Loop loop;
  auto impostor = Listener::open(
      loop,
      {.endpoint = {"127.0.0.1", 0},
       .chain_pem =
           x509::pem_of(x509::certificate_of_der(stored.certificate()).get()) + credentials->ca_pem,
       .key_pem = x509::pem_of(x509::key_of_der(stored.private_key()).get()),
       .ca_pem = credentials->ca_pem},
      [](const std::shared_ptr<Connection>&) {});
  ASSERT_TRUE(impostor);
  (*impostor)->start();
  auto victim = client_config(server, "victim");
  victim.server.port = (*impostor)->port();
  TestAgent fooled;
  ASSERT_TRUE(fooled.open(victim, registration()));
  EXPECT_TRUE(fooled.logged("TLS handshake"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "victim"));
}

TEST_F(FleetIdentity, OfAnotherFleetIsToldByTheFingerprint) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  TestServer other;
  auto elsewhere = config();
  elsewhere.data_dir = dir_.path() / "other";
  ASSERT_TRUE(other.open(elsewhere));
  auto wrong = client_config(server);
  wrong.server.port = other.server->port();
  TestAgent agent;
  ASSERT_TRUE(agent.open(wrong, registration()));
  EXPECT_TRUE(agent.logged("127.0.0.1:" + std::to_string(other.server->port()) +
                           " is not the control plane of this join token: the fingerprint"));
}

TEST_F(FleetIdentity, IsNotSoughtAtAPortWithoutTls) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  asio::io_context context;
  using asio::ip::tcp;
  tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  auto wrong = client_config(server);
  wrong.server.port = acceptor.local_endpoint().port();
  TestAgent agent;
  ASSERT_TRUE(agent.open(wrong, registration()));
  tcp::socket peer = acceptor.accept();
  asio::write(peer, asio::buffer(std::string("HTTP/1.1 400 Bad Request\r\n\r\n")));
  EXPECT_TRUE(agent.logged("does not speak TLS: is that the fleet's port?"));
}

TEST_F(FleetIdentity, OfSomeoneElsesKeyIsAnErrorThatNamesTheFile) {
  TestServer server;
  ASSERT_TRUE(server.open(config()));
  {
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server), registration()));
    ASSERT_TRUE(agent.wait_connected());
  }
  auto broken = identity();
  broken.set_private_key(make_certificate_request()->key);
  std::ofstream(dir_.path() / "agent", std::ios::binary) << broken.SerializeAsString();
  TestAgent agent;
  const auto opened = agent.open(client_config(server), registration());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find((dir_.path() / "agent").string()), std::string::npos);
}

}  // namespace
}  // namespace berth::fleet
