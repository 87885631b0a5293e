// SPDX-License-Identifier: Apache-2.0
// What is believed of CNI lists and of plugins' results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/runtime/cni/conf_list.hpp"
#include "sdk/runtime/cni/plugin_result.hpp"

namespace berth::runtime::cni {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string problem(const std::string& text) {
  const auto list = parse_list(text, "x.conflist");
  return list ? "(fine)" : list.error().message;
}

std::string result_problem(const std::string& text) {
  const auto result = parse_result(text, "1.0.0", "the CNI plugin bridge");
  return result ? "(fine)" : result.error().message;
}

TEST(CniList, IsReadWithItsPluginsInOrder) {
  const auto list = parse_list(R"({"cniVersion":"1.0.0","name":"net","disableCheck":true,"plugins":[
      {"type":"bridge","bridge":"b0"},{"type":"portmap","capabilities":{"portMappings":true}}]})",
                               "x");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->name, "net");
  EXPECT_TRUE(list->disable_check);
  ASSERT_EQ(list->plugins.size(), 2U);
  EXPECT_EQ(list->plugins[1].type, "portmap");
  EXPECT_TRUE(list->takes("portMappings"));
  EXPECT_FALSE(list->plugins[0].takes("portMappings"));
  EXPECT_EQ(parse_list(list->print(), "again")->plugins[0].config, list->plugins[0].config);
}

TEST(CniList, IsRefusedByPlaceAndByName) {
  EXPECT_THAT(problem("{\n  \"name\": x}"), HasSubstr("x.conflist:2:11: "));
  EXPECT_THAT(problem("{} {}"), HasSubstr("something follows the JSON"));
  EXPECT_THAT(problem("[]"), HasSubstr("is no JSON object"));
  EXPECT_THAT(problem(R"({"name":"../x"})"), HasSubstr("name must be"));
  EXPECT_THAT(problem(R"({"name":"n","cniVersion":"0.2.0"})"),
              HasSubstr("cniVersion '0.2.0' is neither"));
  EXPECT_THAT(problem(R"({"name":"n","cniVersion":"1.0.0","plugins":[]})"),
              HasSubstr("plugins must be"));
  EXPECT_THAT(problem(R"({"name":"n","cniVersion":"1.0.0","plugins":[{"type":"../bin/sh"}]})"),
              HasSubstr("plugins[0].type must be"));
  EXPECT_THAT(problem(R"({"name":"n","cniVersion":"1.0.0","disableCheck":1})"),
              HasSubstr("disableCheck"));
  EXPECT_THAT(problem(std::string(2 << 20, ' ')), HasSubstr("more than 256 KiB"));
  EXPECT_THAT(problem(std::string(1000, '[')), HasSubstr("x.conflist:1:"));
}

TEST(CniResult, GivesTheFirstIpv4AddressAndTheNamesThatGoWithIt) {
  const auto result = parse_result(R"({"cniVersion":"1.0.0",
      "interfaces":[{"name":"b0"},{"name":"veth1"},{"name":"eth0","sandbox":"/run/netns/x"}],
      "ips":[{"address":"fd00::2/64"},{"address":"10.0.0.2/24","gateway":"10.0.0.1","interface":2}],
      "dns":{"nameservers":["10.0.0.53"],"search":["corp.test"]}})",
                                   "1.0.0", "x");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->address, "10.0.0.2");
  EXPECT_EQ(result->prefix_length, 24U);
  EXPECT_EQ(result->gateway, "10.0.0.1");
  EXPECT_EQ(result->host_interface, "veth1");
  EXPECT_THAT(result->nameservers, ElementsAre("10.0.0.53"));
  EXPECT_THAT(result->search, ElementsAre("corp.test"));
}

TEST(CniResult, IsNotBelievedWhereItCannotBe) {
  EXPECT_THAT(result_problem(""), HasSubstr("cannot be read:1:1"));
  EXPECT_THAT(result_problem(R"({"cniVersion":"0.4.0"})"),
              HasSubstr("another cniVersion than 1.0.0"));
  const auto with = [](const std::string& rest) {
    return result_problem(R"({"cniVersion":"1.0.0",)" + rest + "}");
  };
  EXPECT_THAT(with(R"("ips":{})"), HasSubstr("ips is no list"));
  EXPECT_THAT(with(R"("ips":[{"address":"10.0.0.2"}])"), HasSubstr("the address '10.0.0.2'"));
  EXPECT_THAT(with(R"("ips":[{"address":"10.0.0.2/33"}])"), HasSubstr("the address"));
  EXPECT_THAT(with(R"("ips":[{"address":"10.0.0.2/-1"}])"), HasSubstr("the address"));
  EXPECT_THAT(with(R"("ips":[{"address":"10.0.0.2/24","gateway":"x"}])"),
              HasSubstr("the gateway 'x'"));
  EXPECT_THAT(with(R"("ips":[{"address":"10.0.0.2/24","interface":3}])"),
              HasSubstr("not in the list"));
  EXPECT_THAT(with(R"("ips":[7])"), HasSubstr("the address ''"));
  EXPECT_THAT(with(R"("interfaces":[{"name":"../../x"}])"), HasSubstr("the name '../../x'"));
  EXPECT_THAT(with(R"("dns":{"nameservers":["evil\nnameserver 1.1.1.1"]})"),
              HasSubstr("the nameserver"));
  EXPECT_THAT(with(R"("dns":{"search":["a\nb"]})"), HasSubstr("the search domain"));
}

}  // namespace
}  // namespace berth::runtime::cni
