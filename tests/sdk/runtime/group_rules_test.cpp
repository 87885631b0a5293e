// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/group_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/runtime/network/peers.hpp"
#include "tests/sdk/runtime/interfaces.hpp"

namespace berth::runtime::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

SecurityGroup web() {
  return {
      .id = "sg-web",
      .ingress =
          {{.protocol = "tcp", .from_port = 80, .to_port = 80, .cidr = "0.0.0.0/0", .group = {}},
           {.protocol = "udp",
            .from_port = 5000,
            .to_port = 5010,
            .cidr = "10.0.0.0/8",
            .group = {}},
           {.protocol = "icmp", .cidr = "192.0.2.7/32", .group = {}},
           {.protocol = "-1", .cidr = {}, .group = "sg_lb-1"}},
      .egress = {{.protocol = "tcp",
                  .from_port = 443,
                  .to_port = 443,
                  .cidr = "198.51.100.0/24",
                  .group = {}}}};
}

TEST(GroupRules, SayWhoMayComeByWhichDoor) {
  EXPECT_EQ(group_chain_rules(web(), Direction::Ingress),
            "    tcp dport 80 accept\n"
            "    ip saddr 10.0.0.0/8 udp dport 5000-5010 accept\n"
            "    ip saddr 192.0.2.7/32 meta l4proto icmp accept\n"
            "    ip saddr @of_sg__lb_h1 accept\n");
  EXPECT_EQ(group_chain_rules(web(), Direction::Egress),
            "    ip daddr 198.51.100.0/24 tcp dport 443 accept\n");
  EXPECT_THAT(groups_named(web()), ElementsAre("sg_lb-1"));
}

TEST(GroupRules, NamesOfSetsDoNotMeet) {
  EXPECT_NE(member_set("a-b"), member_set("a_b"));
  EXPECT_NE(member_set("a_h"), member_set("a-"));
}

TEST(GroupRules, AGroupWithOtherRulesHasAnotherChain) {
  SecurityGroup other = web();
  other.ingress.pop_back();
  EXPECT_NE(group_chain(web(), Direction::Ingress), group_chain(other, Direction::Ingress));
  EXPECT_EQ(group_chain(web(), Direction::Egress), group_chain(other, Direction::Egress));
}

TEST(GroupRules, ThoseOfPluginsComeBeforeTheGroups) {
  TaskInterface interface = interface_at("t", "10.64.0.5", {web()});
  interface.ingress_rules = {"tcp dport { 80, 443 } accept"};
  ASSERT_TRUE(check_interface(interface));
  const auto in = task_chain_rules(interface, Direction::Ingress);
  EXPECT_LT(in.find("    ct state established,related accept\n"),
            in.find("    tcp dport { 80, 443 } accept\n"));
  EXPECT_LT(in.find("tcp dport { 80, 443 }"),
            in.find("jump " + group_chain(web(), Direction::Ingress)));
  EXPECT_EQ(task_chain_rules(interface, Direction::Egress).find("443 }"), std::string::npos);
}

TEST(GroupRules, ThoseOfPluginsStayWithinTheirChain) {
  TaskInterface interface = interface_at("t", "10.64.0.5");
  for (const char* rule :
       {"", "accept\naccept", "accept } chain x { accept", "accept; flush ruleset", "accept # all",
        "accept \\", "tcp dport { 80 accept"}) {
    interface.egress_rules = {rule};
    EXPECT_FALSE(check_interface(interface)) << rule;
  }
  interface.egress_rules = {std::string(513, 'a')};
  EXPECT_FALSE(check_interface(interface));
  interface.egress_rules.assign(65, "accept");
  EXPECT_FALSE(check_interface(interface));
}

TEST(GroupRules, ATaskSpeaksForItselfAloneAndNothingIsAllowedByOmission) {
  const auto out = task_chain_rules(interface_at("t", "10.64.0.5", {web()}), Direction::Egress);
  EXPECT_THAT(out, HasSubstr("ip saddr != 10.64.0.5 drop"));
  EXPECT_THAT(out, HasSubstr("ip daddr 169.254.0.0/16 drop"));
  EXPECT_TRUE(out.ends_with("    drop\n"));
  EXPECT_EQ(task_chain_rules(interface_at("t", "10.64.0.5", {}), Direction::Ingress),
            "    ct state established,related accept\n    drop\n");
}

TEST(TaskInterfaces, WhatCouldBreakARuleIsRefused) {
  const auto refused = [](auto change) {
    TaskInterface interface = interface_at("t", "10.64.0.5");
    change(interface);
    return !check_interface(interface);
  };
  EXPECT_TRUE(check_interface(interface_at("t", "10.64.0.5")));
  EXPECT_TRUE(refused([](auto& i) { i.id = "../x"; }));
  EXPECT_TRUE(refused([](auto& i) { i.address = "10.64.0.5; flush ruleset"; }));
  EXPECT_TRUE(refused([](auto& i) { i.gateway = "10.99.0.1"; }));
  EXPECT_TRUE(refused([](auto& i) { i.gateway = i.address; }));
  EXPECT_TRUE(refused([](auto& i) { i.mac = "02:be:0a:00:00"; }));
  EXPECT_TRUE(refused([](auto& i) { i.mac = "03:be:0a:00:00:01"; }));
  EXPECT_TRUE(refused([](auto& i) { i.network_cidrs = {"10.0.0.0"}; }));
  EXPECT_TRUE(refused([](auto& i) { i.groups[0].id = "a b"; }));
  EXPECT_TRUE(refused([](auto& i) { i.groups[0].egress[0].cidr = "0.0.0.0/0 accept"; }));
  EXPECT_TRUE(refused([](auto& i) { i.groups[0].egress[0].protocol = "sctp"; }));
  EXPECT_TRUE(refused([](auto& i) { i.groups[0].ingress[0].group = "x }"; }));
}

PeerNews::Host host(const std::string& node, std::vector<PeerInterface> added) {
  return {.node = node,
          .address = "192.0.2." + node,
          .whole = false,
          .added = std::move(added),
          .removed = {}};
}

TEST(Peers, FollowSnapshotsAndChanges) {
  Peers peers;
  EXPECT_FALSE(peers.complete());
  peers.take({.snapshot = true,
              .hosts = {host("1", {{"10.0.0.4", {"a"}}}), host("2", {{"10.0.0.5", {}}})},
              .silent = {}});
  EXPECT_TRUE(peers.complete());
  ASSERT_EQ(peers.interfaces().size(), 2U);
  EXPECT_EQ(peers.host_of(peers.interfaces().at("10.0.0.4").node), "192.0.2.1");
  auto change = host("1", {{"10.0.0.6", {"b"}}});
  change.removed = {"10.0.0.4", "10.0.0.5"};  // the second is not its own
  peers.take({.snapshot = false, .hosts = {change}, .silent = {}});
  EXPECT_EQ(peers.interfaces().count("10.0.0.4"), 0U);
  EXPECT_EQ(peers.interfaces().count("10.0.0.5"), 1U);
  peers.take({.snapshot = true, .hosts = {host("1", {{"10.0.0.6", {"b"}}})}, .silent = {}});
  EXPECT_EQ(peers.interfaces().count("10.0.0.5"), 0U) << "its host is not there any more";
}

TEST(Peers, ComeBackFromAFileAndTakeTheNextSnapshotForTheTruth) {
  Peers before;
  before.take({.snapshot = true,
               .hosts = {host("1", {{"10.0.0.4", {"a", "b"}}}), host("2", {{"10.0.0.5", {}}})},
               .silent = {}});
  Peers peers = Peers::read(before.print() + "interface\nrubbish 1 2\n");
  EXPECT_EQ(peers.print(), before.print());
  EXPECT_THAT(peers.interfaces().at("10.0.0.4").groups, ElementsAre("a", "b"));
  EXPECT_FALSE(peers.complete()) << "nobody has said so in this life";
  peers.take({.snapshot = true, .hosts = {host("2", {{"10.0.0.5", {}}})}, .silent = {}});
  EXPECT_EQ(peers.interfaces().size(), 1U);
}

TEST(Peers, KeepWhatIsBehindAHostThatANewServerHasNotHeardOf) {
  Peers peers;
  peers.take({.snapshot = true,
              .hosts = {host("1", {{"10.0.0.4", {}}}), host("2", {{"10.0.0.5", {}}})},
              .silent = {}});
  peers.take({.snapshot = true, .hosts = {host("1", {})}, .silent = {"2"}});
  EXPECT_FALSE(peers.complete());
  EXPECT_EQ(peers.interfaces().count("10.0.0.4"), 0U);
  EXPECT_EQ(peers.interfaces().count("10.0.0.5"), 1U);
  PeerNews::Host back = host("2", {});
  back.whole = true;
  peers.take({.snapshot = false, .hosts = {back}, .silent = {}});
  EXPECT_TRUE(peers.interfaces().empty());
  EXPECT_TRUE(peers.complete());
}

}  // namespace
}  // namespace berth::runtime::test
