// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/credentials.hpp"
#include "sdk/fleet/secret.hpp"
#include "tests/sdk/fleet/fixture.hpp"
#include "tests/sdk/fleet/raw_peer.hpp"

namespace berth::fleet {
namespace {

class FleetHostile : public FleetTest {
 protected:
  void SetUp() override {
    auto config = server_config();
    config.hello_timeout = 200ms;
    config.dead_after = 1s;
    ASSERT_TRUE(server_.open(config));
  }
  void TearDown() override {
    // Whatever happened before, a decent agent is served.
    TestAgent agent;
    ASSERT_TRUE(agent.open(client_config(server_), registration()));
    EXPECT_TRUE(agent.wait_connected());
  }
  v1::Frame join(const std::string& request) {
    v1::Frame join;
    join.mutable_join()->set_protocol(1);
    join.mutable_join()->set_secret(JoinToken::parse(server_.server->join_token())->secret);
    join.mutable_join()->set_certificate_request(request);
    RawPeer peer(server_.server->port());
    peer.shake_hands();
    peer.send(join);
    return peer.receive();
  }
  // Joins, comes back and says hello by hand.
  std::unique_ptr<RawPeer> raw_agent() {
    const auto made = make_certificate_request();
    EXPECT_TRUE(made);
    const v1::Frame joined = join(made->request);
    node_ = joined.joined().node_id();
    certificate_ = joined.joined().certificate();
    key_ = made->key;
    auto peer = std::make_unique<RawPeer>(server_.server->port());
    peer->shake_hands(certificate_, key_);
    peer->send(hello());
    EXPECT_TRUE(peer->receive().has_welcome());
    EXPECT_TRUE(server_.wait_connected(1));
    return peer;
  }
  // Of the last raw agent, and of a process of its own.
  v1::Frame hello() const {
    v1::Frame hello;
    hello.mutable_hello()->set_protocol(1);
    hello.mutable_hello()->set_incarnation(random_hex(16));
    *hello.mutable_hello()->mutable_registration() = registration();
    return hello;
  }

  void expect_served(RawPeer& agent) {
    v1::Frame report;
    *report.mutable_report() = task_report('a', 1);
    agent.send(report);
    EXPECT_TRUE(server_.wait([&] { return server_.reports.size() == 1; }));
  }

  static std::string bytes_of_report(std::uint64_t sequence) {
    v1::Frame frame;
    *frame.mutable_report() = task_report('a', sequence);
    return RawPeer::length(frame.ByteSizeLong()) + frame.SerializeAsString();
  }

  TestServer server_;
  std::string node_;
  std::string certificate_;
  std::string key_;
};

TEST_F(FleetHostile, BytesThatAreNotTlsAreCutOff) {
  RawPeer peer(server_.server->port());
  peer.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(peer.is_cut());
}

TEST_F(FleetHostile, AStrangerWhoSaysNothingIsCutOff) {
  RawPeer peer(server_.server->port());
  peer.shake_hands();
  EXPECT_TRUE(peer.is_cut());
  EXPECT_TRUE(server_.logged("did not say who it is"));
}

TEST_F(FleetHostile, StrangersWhoSayNothingGiveWayToLaterOnes) {
  server_.server.reset();
  auto config = server_config();
  config.hello_timeout = 60s;
  config.max_strangers = 4;
  ASSERT_TRUE(server_.open(config));
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 6; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server_.server->port()));
    peers.back()->shake_hands();
  }
  EXPECT_TRUE(peers[0]->is_cut());
  EXPECT_TRUE(peers[1]->is_cut());
}

TEST_F(FleetHostile, AStrangersHugeFrameIsNotAwaited) {
  RawPeer peer(server_.server->port());
  peer.shake_hands();
  peer.send(RawPeer::length(0x7fffffff));
  EXPECT_TRUE(peer.is_cut());
  EXPECT_TRUE(server_.logged("a frame of 2147483647 bytes"));
}

TEST_F(FleetHostile, AFrameMayComeInAsManyPiecesAsItHasBytes) {
  const auto agent = raw_agent();
  for (const char byte : bytes_of_report(1)) agent->send(std::string(1, byte));
  EXPECT_TRUE(server_.wait([&] { return server_.reports.size() == 1; }));
}

TEST_F(FleetHostile, FramesThatComeTogetherAreTakenOneByOneAndSoAreTheAnswers) {
  constexpr std::uint64_t kReports = 200;
  const auto agent = raw_agent();
  std::string all;
  for (std::uint64_t i = 1; i <= kReports; ++i) all += bytes_of_report(i);
  // Not at the seams of frames, and more than fits one record.
  for (std::size_t at = 0; at < all.size(); at += 5000) agent->send(all.substr(at, 5000));
  ASSERT_TRUE(server_.wait([&] { return server_.reports.size() == kReports; }));
  for (std::uint64_t i = 0; i < kReports; ++i) EXPECT_EQ(server_.reports[i].sequence(), i + 1);
}

TEST_F(FleetHostile, WhatStandsBeforeALengthThatMayNotBeIsStillTaken) {
  const auto agent = raw_agent();
  agent->send(bytes_of_report(1) + RawPeer::length(0) + bytes_of_report(2));
  EXPECT_TRUE(agent->is_cut());
  EXPECT_TRUE(server_.wait([&] { return server_.reports.size() == 1; }));
  EXPECT_TRUE(server_.logged("a frame of 0 bytes"));
}

TEST_F(FleetHostile, AnEmptyFrameIsCutOff) {
  RawPeer peer(server_.server->port());
  peer.shake_hands();
  peer.send(RawPeer::length(0));
  EXPECT_TRUE(peer.is_cut());
}

TEST_F(FleetHostile, AFrameThatIsNotAMessageIsCutOff) {
  RawPeer peer(server_.server->port());
  peer.shake_hands();
  peer.send(RawPeer::length(6) + "\xff\xff\xff\xff\xff\xff");
  EXPECT_TRUE(peer.is_cut());
  EXPECT_TRUE(server_.logged("a frame that is not one"));
}

TEST_F(FleetHostile, AStrangerMayNotReport) {
  RawPeer peer(server_.server->port());
  peer.shake_hands();
  v1::Frame frame;
  *frame.mutable_report() = task_report('a', 1);
  peer.send(frame);
  EXPECT_EQ(peer.receive().goodbye().code(), v1::Goodbye::CODE_BROKEN);
  EXPECT_TRUE(peer.is_cut());
  EXPECT_TRUE(server_.reports.empty());
}

TEST_F(FleetHostile, WhoShowsNoCertificateIsNoNodeAndHarmsNone) {
  auto agent = raw_agent();
  RawPeer thief(server_.server->port());
  thief.shake_hands();
  thief.send(hello());
  EXPECT_EQ(thief.receive().goodbye().code(), v1::Goodbye::CODE_UNKNOWN_IDENTITY);
  expect_served(*agent);
}

TEST_F(FleetHostile, ACertificateOfAnotherFleetsCaIsCutOffInTheHandshake) {
  auto agent = raw_agent();
  const auto other = load_or_make_credentials(dir_.path() / "other");
  ASSERT_TRUE(other);
  const auto forged = Authority::open(other->ca_pem, other->ca_key_pem)
                          ->issue(make_certificate_request(key_)->request, node_, system_now_ms(), system_now_ms() + 3'600'000);
  ASSERT_TRUE(forged);
  RawPeer thief(server_.server->port());
  thief.shake_hands(forged->certificate, key_);  // the server's verdict comes after the client's part of it
  EXPECT_TRUE(thief.is_cut());
  expect_served(*agent);
}

TEST_F(FleetHostile, ACertificateThatAnAgentSignedIsCutOffInTheHandshake) {
  auto agent = raw_agent();
  // An agent's certificate is no CA's, whatever it signs.
  const auto own = x509::certificate_of_der(certificate_);
  const auto key = x509::key_of_der(key_);
  const auto forged = x509::make_certificate({.name = std::string(32, 'b'),
                                              .usage = "clientAuth",
                                              .not_after_ms = system_now_ms() + 3'600'000,
                                              .key = key.get(),
                                              .issuer = own.get(),
                                              .issuer_key = key.get()});
  RawPeer thief(server_.server->port());
  thief.shake_hands(x509::der_of(forged.get()), key_);
  EXPECT_TRUE(thief.is_cut());
  expect_served(*agent);
}

TEST_F(FleetHostile, TheServersOwnCertificateIsNoAgents) {
  auto agent = raw_agent();
  const auto server = load_or_make_credentials(dir_.path() / "server/tls");
  ASSERT_TRUE(server);
  RawPeer thief(server_.server->port());
  thief.shake_hands(x509::der_of(x509::certificate_of_pem(server->chain_pem).get()),
                    x509::der_of(x509::key_of_pem(server->key_pem).get()));
  EXPECT_TRUE(thief.is_cut());
  expect_served(*agent);
}

TEST_F(FleetHostile, AJoinWithoutAProperRequestIsRefusedByName) {
  auto broken = *make_certificate_request();
  broken.request.back() = static_cast<char>(broken.request.back() ^ 1);
  const auto refused = [&](const std::string& request) { return join(request).goodbye().message(); };
  EXPECT_EQ(refused(""), "the certificate request is not one");
  EXPECT_EQ(refused("garbage"), "the certificate request is not one");
  EXPECT_EQ(refused(broken.request), "the certificate request is not signed by its own key");
  EXPECT_EQ(refused(std::string(10'000, 'x')), "the certificate request is too large");
  const x509::Key rsa(EVP_RSA_gen(2048));
  EXPECT_EQ(refused(make_certificate_request(x509::der_of(rsa.get()))->request),
            "the certificate request is not for a key of the kind EC P-256");
  EXPECT_TRUE(server_.server->nodes().empty());
}

TEST_F(FleetHostile, NobodyComesBackAsANodeWhoseKeyHeHasNot) {
  auto agent = raw_agent();
  v1::Frame join;
  join.mutable_join()->set_protocol(1);
  join.mutable_join()->set_secret(JoinToken::parse(server_.server->join_token())->secret);
  join.mutable_join()->set_certificate_request(make_certificate_request()->request);
  join.mutable_join()->set_node_id(node_);
  RawPeer thief(server_.server->port());
  thief.shake_hands();
  thief.send(join);
  EXPECT_EQ(thief.receive().goodbye().code(), v1::Goodbye::CODE_UNKNOWN_IDENTITY);
  expect_served(*agent);
}

TEST_F(FleetHostile, ARenewalThatIsNotDueCutsTheAgentOff) {
  auto agent = raw_agent();
  v1::Frame frame;
  frame.mutable_renewal()->set_certificate_request(make_certificate_request()->request);
  agent->send(frame);
  EXPECT_TRUE(agent->is_cut());
  EXPECT_TRUE(server_.logged("it asks for a certificate that is not due"));
}

TEST_F(FleetHostile, AnAgentThatFallsSilentIsDisconnected) {
  auto silent = raw_agent();
  EXPECT_TRUE(server_.logged("it was silent for 1000 ms"));
  EXPECT_TRUE(server_.wait_connected(0));
  EXPECT_TRUE(silent->is_cut());
}

// As after a power cut: the old connection is still open here, and nobody is behind it.
TEST_F(FleetHostile, AnAgentThatAnswersNoPingLosesItsIdentityToItsNextProcess) {
  auto before = raw_agent();
  RawPeer next(server_.server->port());
  next.shake_hands(certificate_, key_);
  next.send(hello());
  EXPECT_TRUE(next.receive().has_welcome());
  EXPECT_TRUE(before->is_cut());
  EXPECT_TRUE(server_.logged("it did not answer while another asked for its identity"));
  EXPECT_EQ(server_.server->nodes().size(), 1U);
}

TEST_F(FleetHostile, AReportThatIsNotOneCutsTheAgentOff) {
  auto agent = raw_agent();
  v1::Frame frame;
  frame.mutable_report()->set_task_id("../../etc/passwd");
  agent->send(frame);
  EXPECT_TRUE(agent->is_cut());
  EXPECT_TRUE(server_.logged("a task report that is not one"));
  EXPECT_TRUE(server_.wait_connected(0));
}

TEST_F(FleetHostile, AStreamBeyondItsCreditCutsTheAgentOff) {
  auto agent = raw_agent();
  Heard heard;
  berth_status status = BERTH_OK;
  bool ended = false;
  const auto id = server_.server->call(
      node_, 0x107, "", {.stream_id = 5, .credit = 4},
      [&](berth_status s, const std::string&) { heard.with([&] { status = s, ended = true; }); },
      [](berth::v1::StreamChunk&&) { ADD_FAILURE() << "more than was granted"; });
  v1::Frame frame;
  frame.mutable_chunk()->set_call(id);
  frame.mutable_chunk()->mutable_chunk()->set_data("12345");
  while (!agent->receive().has_call()) {
  }
  agent->send(frame);
  EXPECT_TRUE(agent->is_cut());
  ASSERT_TRUE(heard.wait([&] { return ended; }));
  EXPECT_EQ(status, BERTH_UNAVAILABLE);
}

TEST_F(FleetHostile, AnAgentCannotEndAnotherNodesCall) {
  auto agent = raw_agent();
  TestAgent other;
  ASSERT_TRUE(other.open(client_config(server_, "other"), registration()));
  ASSERT_TRUE(other.wait_connected());
  Heard heard;
  std::string payload;
  const auto id = server_.server->call(other.client->node_id(), 0x101, "", {},
                                       [&](berth_status, std::string p) { heard.with([&] { payload = std::move(p); }); });
  ASSERT_TRUE(other.wait([&] { return other.calls.size() == 1; }));
  v1::Frame frame;
  frame.mutable_done()->set_id(id);
  frame.mutable_done()->set_payload("forged");
  agent->send(frame);
  v1::Frame report;  // seen by the server after the forgery
  *report.mutable_report() = task_report('a', 1);
  agent->send(report);
  ASSERT_TRUE(server_.wait([&] { return server_.reports.size() == 1; }));
  other.client->done(other.calls[0].id, BERTH_OK, "true");
  ASSERT_TRUE(heard.wait([&] { return !payload.empty(); }));
  EXPECT_EQ(payload, "true");
}

TEST_F(FleetHostile, FramesOfALaterVersionAreIgnored) {
  auto agent = raw_agent();
  agent->send(RawPeer::length(4) + "\xc2\x3e\x01x");  // field 1000, one byte
  v1::Frame report;
  *report.mutable_report() = task_report('a', 1);
  agent->send(report);
  EXPECT_TRUE(server_.wait([&] { return server_.reports.size() == 1; }));
}

}  // namespace
}  // namespace berth::fleet
