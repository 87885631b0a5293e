// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/daemon/config.hpp"

namespace berth::daemon {
namespace {

using ::testing::HasSubstr;

std::string problem(const std::string& text) {
  const auto config = parse_config(text, "b.toml");
  return config ? "it was accepted" : config.error().message;
}

TEST(NetworkConfig, ReadsSubnetsAndGroups) {
  auto config = parse_config(R"(
region = "eu-west-1"
[[subnet]]
id = "subnet-a"
cidr = "10.1.0.0/16"
zone = "rack-1"
[[subnet]]
id = "subnet-b"
cidr = "10.2.0.0/24"
[[security_group]]
id = "sg-web"
ingress = [{ protocol = "tcp", from_port = 80, to_port = 81, cidr = "0.0.0.0/0" },
           { protocol = "udp", self = true }, { group = "sg-default" }]
[[security_group]]
id = "sg-closed"
egress = []
)",
                             "b.toml");
  ASSERT_TRUE(config) << config.error().message;
  complete_networks(*config);
  ASSERT_EQ(config->networks.subnets.size(), 2U);
  EXPECT_EQ(config->networks.subnets[0].zone, "rack-1");
  EXPECT_EQ(config->networks.subnets[1].range.str(), "10.2.0.0/24");
  EXPECT_EQ(config->networks.subnets[1].zone, "eu-west-1a") << "where hosts are that say nothing";
  ASSERT_EQ(config->networks.groups.size(), 3U);
  const auto& web = config->networks.groups[0];
  EXPECT_EQ(web.ingress(0).from_port(), 80U);
  EXPECT_EQ(web.ingress(0).to_port(), 81U);
  EXPECT_EQ(web.ingress(1).group(), "sg-web");
  EXPECT_EQ(web.ingress(2).protocol(), "-1");
  ASSERT_EQ(web.egress_size(), 1) << "as AWS makes groups";
  EXPECT_EQ(web.egress(0).cidr(), "0.0.0.0/0");
  EXPECT_EQ(config->networks.groups[1].egress_size(), 0);
  EXPECT_EQ(config->networks.groups[2].id(), "sg-default");
  EXPECT_THAT(describe(*config), HasSubstr("\"cidr\":\"10.2.0.0/24\""));
}

TEST(NetworkConfig, WithoutAnyThereIsADefaultThatFollowsFromTheDataDirectory) {
  Config config;
  complete_networks(config);
  ASSERT_EQ(config.networks.subnets.size(), 1U);
  EXPECT_EQ(config.networks.subnets[0].id, "subnet-default");
  EXPECT_EQ(config.networks.subnets[0].range.str(), "10.127.0.0/16");
  ASSERT_EQ(config.networks.groups.size(), 1U);
  Config one;
  one.data_dir = "/tmp/one";
  complete_networks(one);
  Config two;
  two.data_dir = "/tmp/two";
  complete_networks(two);
  EXPECT_FALSE(one.networks.subnets[0].range.overlaps(two.networks.subnets[0].range));
  EXPECT_EQ(one.networks.subnets[0].range.prefix, 20U);
}

TEST(NetworkConfig, TheDefaultGroupMayBeAnother) {
  auto config = parse_config(
      "[[security_group]]\nid = \"sg-default\"\ningress = [{ cidr = \"10.0.0.0/8\" }]\n", "b.toml");
  ASSERT_TRUE(config) << config.error().message;
  complete_networks(*config);
  ASSERT_EQ(config->networks.groups.size(), 1U);
  EXPECT_EQ(config->networks.groups[0].ingress(0).cidr(), "10.0.0.0/8");
}

TEST(NetworkConfig, SaysWhatIsWrongAndWhere) {
  const std::string subnet = "[[subnet]]\nid = \"s\"\n";
  EXPECT_THAT(problem(subnet + "cidr = \"10.0.0.1/16\"\n"),
              HasSubstr("b.toml:3: subnet.cidr: must be a range"));
  EXPECT_THAT(problem(subnet + "cidr = \"10.0.0.0/29\"\n"), HasSubstr("/8 to /28"));
  EXPECT_THAT(problem(subnet), HasSubstr("subnet.cidr: is missing"));
  EXPECT_THAT(problem(subnet + "cidr = \"10.0.0.0/16\"\nvpc = \"x\"\n"),
              HasSubstr("subnet.vpc: unknown key"));
  EXPECT_THAT(problem("[[subnet]]\ncidr = \"10.0.0.0/16\"\n"), HasSubstr("subnet.id"));
  EXPECT_THAT(problem(subnet + "cidr = \"10.0.0.0/16\"\n" + subnet + "cidr = \"10.1.0.0/16\"\n"),
              HasSubstr("'s' stands there twice"));
  EXPECT_THAT(
      problem(subnet + "cidr = \"10.0.0.0/16\"\n[[subnet]]\nid = \"t\"\ncidr = \"10.0.3.0/24\"\n"),
      HasSubstr("10.0.3.0/24 overlaps that of 's'"));
  EXPECT_THAT(problem("subnet = \"s\"\n"), HasSubstr("must be a list of tables"));
  const auto rule = [](const std::string& text) {
    return problem("[[security_group]]\nid = \"g\"\ningress = [{ " + text + " }]\n");
  };
  EXPECT_THAT(rule("protocol = \"tcp\""),
              HasSubstr("security_group.ingress[0]: needs one of cidr, group and self"));
  EXPECT_THAT(rule("cidr = \"10.0.0.0/8\", self = true"), HasSubstr("needs one of"));
  EXPECT_THAT(rule("group = \"g\", self = true"), HasSubstr("self and group"));
  EXPECT_THAT(rule("protocol = \"sctp\", self = true"), HasSubstr("ingress[0].protocol: must be"));
  EXPECT_THAT(rule("protocol = \"tcp\", from_port = 80, self = true"),
              HasSubstr("belong together"));
  EXPECT_THAT(rule("protocol = \"tcp\", from_port = 81, to_port = 80, self = true"),
              HasSubstr("from_port is after"));
  EXPECT_THAT(rule("protocol = \"icmp\", from_port = 1, to_port = 2, self = true"),
              HasSubstr("only tcp and udp"));
  EXPECT_THAT(rule("protocol = \"tcp\", from_port = 0, to_port = 2, self = true"),
              HasSubstr("from_port: must be a port"));
  EXPECT_THAT(rule("cidr = \"10.0.0.0\""), HasSubstr("ingress[0].cidr: must be a range"));
  EXPECT_THAT(rule("group = \"h\""), HasSubstr("names the group 'h', which is nowhere"));
  EXPECT_THAT(rule("selff = true"), HasSubstr("ingress[0].selff: unknown key"));
  EXPECT_THAT(problem("[[security_group]]\nid = \"a b\"\n"), HasSubstr("security_group.id"));
  EXPECT_THAT(problem("[[security_group]]\nid = \"g\"\n[[security_group]]\nid = \"g\"\n"),
              HasSubstr("stands there twice"));
  EXPECT_THAT(problem("[[security_group]]\nid = \"g\"\nname = \"x\"\n"),
              HasSubstr("security_group.name: unknown key"));
}

}  // namespace
}  // namespace berth::daemon
