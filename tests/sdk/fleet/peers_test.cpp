// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "sdk/fleet/peer_book.hpp"
#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Interfaces interfaces(bool snapshot, const std::vector<std::string>& added,
                          const std::vector<std::string>& removed = {}) {
  v1::Interfaces out;
  out.set_snapshot(snapshot);
  for (const auto& address : added) {
    out.add_added()->set_address(address);
    out.mutable_added(out.added_size() - 1)->add_groups("sg-default");
  }
  out.mutable_removed()->Assign(removed.begin(), removed.end());
  return out;
}

InterfaceGrant granted(const std::string& node, const std::string& address, const std::string& task = "task") {
  return {task, node, interfaces(false, {address}).added(0)};
}

TEST(PeerBook, TellsOthersWhatHasChanged) {
  PeerBook book;
  book.grant(granted("a", "10.0.0.4"));
  book.grant(granted("a", "10.0.0.5"));
  EXPECT_THAT(*book.take("a", interfaces(true, {"10.0.0.4"}), "192.0.2.1:40000"), IsEmpty());
  auto changes = book.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes["a"].whole());
  EXPECT_EQ(changes["a"].host_address(), "192.0.2.1");
  EXPECT_THAT(book.changes(), IsEmpty());
  ASSERT_TRUE(book.take("a", interfaces(false, {"10.0.0.5"}, {"10.0.0.4"}), "192.0.2.1:40000"));
  changes = book.changes();
  EXPECT_FALSE(changes["a"].whole());
  EXPECT_EQ(changes["a"].added(0).address(), "10.0.0.5");
  EXPECT_THAT(changes["a"].removed(), ElementsAre("10.0.0.4"));
  ASSERT_TRUE(book.take("a", interfaces(true, {"10.0.0.5"}), "192.0.2.1:40001"));
  EXPECT_THAT(book.changes(), IsEmpty()) << "another connection, nothing new";
  ASSERT_TRUE(book.take("a", interfaces(true, {"10.0.0.5"}), "192.0.2.9:1"));
  EXPECT_EQ(book.changes()["a"].host_address(), "192.0.2.9") << "it has moved";
}

TEST(PeerBook, AnAddressIsBehindTheHostWhoseTaskHasIt) {
  PeerBook book;
  book.grant(granted("a", "10.0.0.4"));
  EXPECT_THAT(*book.take("b", interfaces(true, {"10.0.0.4", "10.0.0.5"}), "192.0.2.2:1"),
              ElementsAre("10.0.0.4", "10.0.0.5"));
  EXPECT_EQ(book.all_but("a").peers(0).added_size(), 0) << "claimed, and not its";
  EXPECT_THAT(*book.take("a", interfaces(true, {"10.0.0.4"}), "192.0.2.1:1"), IsEmpty());
  ASSERT_TRUE(book.take("b", interfaces(false, {}, {"10.0.0.4"}), "192.0.2.2:1"))
      << "not its to give up";
  EXPECT_EQ(book.all_but("b").peers(0).added(0).address(), "10.0.0.4");
  book.forget("a");
  EXPECT_THAT(*book.take("b", interfaces(false, {"10.0.0.4"}), "192.0.2.2:1"), ElementsAre("10.0.0.4"));
}

TEST(PeerBook, AClaimCountsOnceItIsGrantedAndNoLonger) {
  PeerBook book;
  EXPECT_THAT(*book.take("a", interfaces(true, {"10.0.0.4"}), "192.0.2.1:1"), ElementsAre("10.0.0.4"));
  EXPECT_THAT(book.changes()["a"].added(), IsEmpty());
  book.grant(granted("a", "10.0.0.4", "first"));
  EXPECT_EQ(book.changes()["a"].added(0).address(), "10.0.0.4");
  // The address goes to a task of another host; the end of the first one is told late.
  book.grant(granted("b", "10.0.0.4", "second"));
  EXPECT_THAT(book.changes()["a"].removed(), ElementsAre("10.0.0.4"));
  book.revoke("10.0.0.4", "first");
  EXPECT_THAT(*book.take("b", interfaces(true, {"10.0.0.4"}), "192.0.2.2:1"), IsEmpty());
  book.revoke("10.0.0.4", "second");
  EXPECT_EQ(book.all_but("a").peers(0).added_size(), 0);
}

TEST(PeerBook, GroupsAreThoseThatTheTaskWasGiven) {
  PeerBook book;
  auto grant = granted("a", "10.0.0.4");
  grant.interface.add_groups("sg-web");
  book.grant(grant);
  EXPECT_THAT(*book.take("a", interfaces(true, {"10.0.0.4"}), "192.0.2.1:1"), ElementsAre("10.0.0.4"));
  auto claim = interfaces(true, {"10.0.0.4"});
  claim.mutable_added(0)->set_groups(0, "sg-web");
  claim.mutable_added(0)->add_groups("sg-admin");
  EXPECT_THAT(*book.take("a", claim, "192.0.2.1:1"), ElementsAre("10.0.0.4"));
  claim.mutable_added(0)->set_groups(1, "sg-default");
  EXPECT_THAT(*book.take("a", claim, "192.0.2.1:1"), IsEmpty()) << "in whatever order";
}

TEST(PeerBook, RefusesWhatIsNoInterface) {
  PeerBook book;
  EXPECT_FALSE(book.take("a", interfaces(true, {"10.0.0"}), "192.0.2.1:1"));
  EXPECT_FALSE(book.take("a", interfaces(true, {"10.0.0.4; x"}), "192.0.2.1:1"));
  auto many_groups = interfaces(true, {"10.0.0.4"});
  for (int i = 0; i < 5; ++i) many_groups.mutable_added(0)->add_groups("g");
  EXPECT_FALSE(book.take("a", many_groups, "192.0.2.1:1"));
  auto bad_group = interfaces(true, {"10.0.0.4"});
  bad_group.mutable_added(0)->set_groups(0, "a b");
  EXPECT_FALSE(book.take("a", bad_group, "192.0.2.1:1"));
  auto bad_host = interfaces(true, {});
  bad_host.set_host_address("host");
  EXPECT_FALSE(book.take("a", bad_host, "192.0.2.1:1"));
  EXPECT_FALSE(book.knows("a"));
}

TEST(PeerBook, LoopbackIsNoWayToAHost) {
  EXPECT_EQ(reachable_address("192.0.2.1:40000"), "192.0.2.1");
  EXPECT_EQ(reachable_address("[::ffff:192.0.2.1]:40000"), "192.0.2.1");
  EXPECT_EQ(reachable_address("127.0.0.1:40000"), "");
  EXPECT_EQ(reachable_address("[2001:db8::1]:40000"), "");
}

// What an agent has been told, folded.
struct Told : TestAgent {
  std::map<std::string, std::set<std::string>> behind;  // node to addresses
  std::map<std::string, std::string> hosts;
  std::set<std::string> silent;

  [[nodiscard]] sdk::Result<void> join(ClientConfig config, v1::Registration registration) {
    ClientEvents events;
    events.connected = [this](const std::string&) { with([&] { ++connected; }); };
    events.peers = [this](const v1::Peers& news, const std::string&) {
      with([&] {
        if (news.snapshot()) {
          behind.clear();
          silent = {news.silent().begin(), news.silent().end()};
        }
        for (const auto& peer : news.peers()) {
          auto& there = behind[peer.node_id()];
          hosts[peer.node_id()] = peer.host_address();
          if (peer.whole()) there.clear();
          for (const auto& one : peer.removed()) there.erase(one);
          for (const auto& one : peer.added()) there.insert(one.address());
          silent.erase(peer.node_id());
        }
      });
    };
    auto opened = Client::open(std::move(config), std::move(registration), std::move(events));
    if (!opened) return opened.error();
    client = std::move(*opened);
    client->start();
    return {};
  }
  [[nodiscard]] bool knows(const std::string& node, const std::set<std::string>& addresses) {
    return wait([&] { return behind.contains(node) && behind[node] == addresses; });
  }
};

v1::Interface interface_at(const std::string& address) {
  return interfaces(false, {address}).added(0);
}

TEST_F(FleetTest, AgentsHearWhatIsBehindOthersAndItStaysWhileTheyAreAway) {
  auto server = std::make_unique<TestServer>();
  ASSERT_TRUE(server->open(server_config()));
  const auto port = server->server->port();
  Told a;
  Told b;
  auto config_of_b = client_config(*server, "b");
  config_of_b.host_address = "192.0.2.2";
  ASSERT_TRUE(a.join(client_config(*server, "a"), registration()));
  ASSERT_TRUE(b.join(config_of_b, registration()));
  ASSERT_TRUE(a.wait_connected());
  ASSERT_TRUE(b.wait_connected());
  const std::string node_b = b.client->node_id();
  server->server->grant_interfaces({granted(node_b, "10.0.0.4"), granted(node_b, "10.0.0.5")});
  b.client->put_interface(interface_at("10.0.0.4"));
  b.client->put_interface(interface_at("10.0.0.5"));
  EXPECT_TRUE(a.knows(node_b, {"10.0.0.4", "10.0.0.5"}));
  EXPECT_EQ(a.with([&] { return a.hosts[node_b]; }), "192.0.2.2");
  b.client->drop_interface("10.0.0.4");
  EXPECT_TRUE(a.knows(node_b, {"10.0.0.5"}));

  b.client.reset();
  ASSERT_TRUE(server->wait_connected(1));
  Told late;
  ASSERT_TRUE(late.join(client_config(*server, "late"), registration()));
  EXPECT_TRUE(late.knows(node_b, {"10.0.0.5"})) << "its tasks run on without it";

  server.reset();  // and comes back: b has not spoken to it
  server = std::make_unique<TestServer>();
  ASSERT_TRUE(server->open(server_config(port)));
  EXPECT_TRUE(a.wait([&] { return a.silent.contains(node_b); }));
  ASSERT_TRUE(server->server->remove(node_b));
  EXPECT_TRUE(a.wait([&] { return !a.silent.contains(node_b) || a.behind[node_b].empty(); }));
}

}  // namespace
}  // namespace berth::fleet
