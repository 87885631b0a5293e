// SPDX-License-Identifier: Apache-2.0
// Attributes of container instances and the list of agents, as a client sees them.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

std::string id(int number) {
  std::string text = std::to_string(number);
  return std::string(32 - text.size(), '0') + text;
}

class Instances : public ServerTest {
 protected:
  void SetUp() override { start(); }
  void add_instance(const std::string& name) {
    auto instance = std::make_shared<ContainerInstance>();
    instance->id = NodeId(name);
    instance->cluster = ClusterName("default");
    instance->plugin = PluginName("ec2");
    v1::Node& node = instance->node;
    node.set_id(name);
    node.set_connected(true);
    node.set_agent_version("0.1.0");
    auto* attribute = node.add_attributes();
    attribute->set_name("ecs.availability-zone");
    attribute->set_value("local-a");
    control_.state().put(ContainerInstancePtr(instance));
  }
};

TEST_F(Instances, AttributesArePutByArnOrByIdWithItsType) {
  add_instance(id(1));
  const std::string arn = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/" + id(1);
  const auto put = [&](const std::string& attribute) {
    return ecs("PutAttributes", "{\"attributes\":[" + attribute + "]}");
  };
  const auto by_arn = put(R"({"name":"stack","value":"blue","targetId":")" + arn + "\"}");
  EXPECT_EQ(by_arn.status, 200);
  EXPECT_EQ(by_arn.at("attributes.0.targetId"), arn);
  EXPECT_EQ(by_arn.at("attributes.0.value"), "blue");
  ASSERT_EQ(control_.put.size(), 1U);
  EXPECT_EQ(control_.put[0].target_id(), id(1));
  const auto by_id =
      put(R"({"name":"s","targetType":"container-instance","targetId":")" + id(1) + "\"}");
  EXPECT_EQ(by_id.at("attributes.0.targetId"), arn);
  const std::string target = R"(,"targetType":"container-instance","targetId":")" + id(1) + "\"}";
  for (const auto& [wrong, why] :
       {std::pair<std::string, const char*>{R"({"name":"s","targetId":")" + id(1) + "\"}",
                                            "targetType is required"},
        {R"({"name":"s"})", "has no targetId"},
        {R"({"name":"a b")" + target, "Attribute name 'a b'"},
        {R"({"name":"s","value":" x")" + target, "Attribute value ' x'"},
        {R"({"name":"s","value":")" + std::string(129, 'x') + "\"" + target, "Attribute value"},
        {R"({"name":"s","targetType":"task","targetId":"x"})", "targetType should be one of"}}) {
    const auto refused = put(wrong);
    EXPECT_EQ(refused.at("__type"), "InvalidParameterException") << wrong;
    EXPECT_THAT(refused.at("message"), HasSubstr(why));
  }
  EXPECT_EQ(ecs("PutAttributes", R"({"attributes":[]})").at("__type"), "InvalidParameterException");
  const auto gone =
      ecs("DeleteAttributes", R"({"attributes":[{"name":"stack","targetId":")" + arn + "\"}]}");
  EXPECT_EQ(gone.at("attributes.0.targetId"), arn);
}

TEST_F(Instances, AttributesAreListedByNameAndInPages) {
  for (int i = 1; i <= 3; ++i) add_instance(id(i));
  auto changed = std::make_shared<ContainerInstance>(*control_.state().instance(NodeId(id(2))));
  auto& stack = changed->custom_attributes.emplace_back();
  stack.set_name("stack");
  stack.set_value("blue");
  control_.state().put(ContainerInstancePtr(changed));
  const auto list = [&](const std::string& more) {
    return ecs("ListAttributes", R"({"targetType":"container-instance")" + more + "}");
  };
  EXPECT_EQ(list("").value.find("attributes")->items.size(), 4U);
  const auto blue = list(R"(,"attributeName":"stack","attributeValue":"blue")");
  EXPECT_EQ(blue.value.find("attributes")->items.size(), 1U);
  EXPECT_THAT(blue.at("attributes.0.targetId"), HasSubstr("container-instance/default/" + id(2)));
  EXPECT_TRUE(list(R"(,"attributeName":"stack","attributeValue":"red")")
                  .value.find("attributes")
                  ->items.empty());
  EXPECT_THAT(list(R"(,"attributeValue":"blue")").at("message"), HasSubstr("needs attributeName"));
  EXPECT_EQ(ecs("ListAttributes", "{}").at("__type"), "InvalidParameterException");
  std::vector<std::string> seen;
  std::string token;
  do {
    const auto page =
        list(R"(,"maxResults":1)" + (token.empty() ? "" : ",\"nextToken\":\"" + token + "\""));
    ASSERT_EQ(page.status, 200) << page.body;
    ASSERT_EQ(page.value.find("attributes")->items.size(), 1U);
    seen.push_back(
        page.at("attributes.0.targetId").substr(page.at("attributes.0.targetId").size() - 1) +
        page.at("attributes.0.name"));
    token = page.at("nextToken");
    if (token == "(absent)") token.clear();
  } while (!token.empty() && seen.size() < 10);
  EXPECT_THAT(seen, testing::ElementsAre("1ecs.availability-zone", "2ecs.availability-zone",
                                         "2stack", "3ecs.availability-zone"));
}

TEST_F(Instances, AgentsAreListedOverAllClustersWithAddressAndCertificate) {
  add_instance(id(1));
  control_.add_cluster("other");
  auto away = std::make_shared<ContainerInstance>(*control_.state().instance(NodeId(id(1))));
  away->id = NodeId(id(2));
  away->cluster = ClusterName("other");
  away->node.set_connected(false);
  control_.state().put(ContainerInstancePtr(away));
  auto near = std::make_shared<ContainerInstance>(*control_.state().instance(NodeId(id(1))));
  near->node.set_address("192.0.2.7");
  near->node.mutable_certificate_expires_at()->set_ms(1'800'000'000'000);
  control_.state().put(ContainerInstancePtr(near));
  auto gone = std::make_shared<ContainerInstance>(*near);
  gone->id = NodeId(id(3));
  gone->status = InstanceStatus::Inactive;
  control_.state().put(ContainerInstancePtr(gone));
  const auto all = call("Berth_20261122.ListAgents", "{}");
  ASSERT_EQ(all.value.find("agents")->items.size(), 2U);
  EXPECT_EQ(all.at("agents.0.address"), "192.0.2.7");
  EXPECT_EQ(all.at("agents.0.connected"), "true");
  EXPECT_EQ(all.at("agents.0.certificateExpiresAt"), "1800000000");
  EXPECT_EQ(all.at("agents.0.agentVersion"), "0.1.0");
  EXPECT_EQ(all.at("agents.1.cluster"), "other");
  EXPECT_EQ(all.at("agents.1.connected"), "false");
  const auto other = call("Berth_20261122.ListAgents", R"({"cluster":"other"})");
  ASSERT_EQ(other.value.find("agents")->items.size(), 1U);
  EXPECT_EQ(call("Berth_20261122.ListAgents", R"({"cluster":"none"})").at("__type"),
            "ClusterNotFoundException");
  const auto page = call("Berth_20261122.ListAgents", R"({"maxResults":1})");
  const auto next = call("Berth_20261122.ListAgents",
                         R"({"maxResults":1,"nextToken":")" + page.at("nextToken") + "\"}");
  EXPECT_EQ(next.at("agents.0.id"), id(2));
}

TEST_F(Instances, AgentsWhoseClusterIsNotThereAreListedAsWaiting) {
  add_instance(id(1));
  add_instance(id(3));
  control::WaitingNode waiting{PluginName("ec2"), {}};
  waiting.node.set_id(id(2));
  waiting.node.set_cluster("nope");
  waiting.node.set_connected(true);
  auto& name = *waiting.node.add_attributes();
  name.set_name("berth.hostname");
  name.set_value("web-3");
  control_.state().put(waiting);
  const auto all = call("Berth_20261122.ListAgents", "{}");
  ASSERT_EQ(all.value.find("agents")->items.size(), 3U);
  EXPECT_EQ(all.at("agents.1.id"), id(2));
  EXPECT_EQ(all.at("agents.1.status"), "WAITING");
  EXPECT_EQ(all.at("agents.1.hostname"), "web-3");
  EXPECT_EQ(all.at("agents.2.id"), id(3));
  const auto page = call("Berth_20261122.ListAgents", R"({"maxResults":2})");
  const auto next = call("Berth_20261122.ListAgents",
                         R"({"maxResults":2,"nextToken":")" + page.at("nextToken") + "\"}");
  EXPECT_EQ(next.at("agents.0.id"), id(3));
  EXPECT_EQ(call("Berth_20261122.ListAgents", R"({"cluster":"nope"})").at("agents.0.id"), id(2));
}

TEST_F(Instances, AgentsAreRemovedByIdAndByForce) {
  EXPECT_EQ(call("Berth_20261122.RemoveAgent", "{}").at("__type"), "InvalidParameterException");
  EXPECT_EQ(call("Berth_20261122.RemoveAgent", R"({"agent":"x"})").at("message"), "It has a task.");
  const auto removed = call("Berth_20261122.RemoveAgent", R"({"agent":"x","force":true})");
  EXPECT_EQ(removed.at("id"), "x");
}

TEST_F(Instances, ServicesRestOnceThatIsAnswered) {
  EXPECT_EQ(call("Berth_20261122.RestServices", "{}").status, 200);
  EXPECT_TRUE(control_.services_rest);
}

TEST_F(Instances, AreNotRegisteredByAmazonsAgentAndTheRefusalSaysHowHostsJoin) {
  for (const char* operation :
       {"RegisterContainerInstance", "DiscoverPollEndpoint", "SubmitTaskStateChange"}) {
    const auto refused = ecs(operation, "{}");
    EXPECT_EQ(refused.at("__type"), "UnsupportedFeatureException");
    EXPECT_THAT(refused.at("message"), HasSubstr("berth-agent and a join token"));
  }
  EXPECT_THAT(ecs("UpdateContainerAgent", "{}").at("message"),
              HasSubstr("restart it; its tasks run on"));
}

}  // namespace
}  // namespace berth::api
