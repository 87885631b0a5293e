// SPDX-License-Identifier: Apache-2.0
// Capacity providers and pools as a client sees them.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

class CapacityProviders : public ServerTest {
 protected:
  void SetUp() override { start(); }
  Reply put(const std::string& names, const std::string& strategy = "[]") {
    return ecs("PutClusterCapacityProviders", R"({"cluster":"default","capacityProviders":)" +
                                                  names + R"(,"defaultCapacityProviderStrategy":)" +
                                                  strategy + "}");
  }
};

TEST_F(CapacityProviders, AreDescribedByNameAndByArn) {
  const Reply all = ecs("DescribeCapacityProviders", "{}");
  EXPECT_EQ(
      all.at("capacityProviders.0"),
      R"({"capacityProviderArn":"arn:aws:ecs:us-east-1:000000000000:capacity-provider/FARGATE",)"
      R"("name":"FARGATE","status":"ACTIVE","tags":[]})");
  EXPECT_EQ(all.at("capacityProviders.1.name"), "FARGATE_SPOT");
  EXPECT_EQ(all.at("failures"), "[]");
  const Reply some = ecs(
      "DescribeCapacityProviders",
      R"({"capacityProviders":["arn:aws:ecs:us-east-1:000000000000:capacity-provider/FARGATE","x"]})");
  EXPECT_EQ(some.at("capacityProviders.0.name"), "FARGATE");
  EXPECT_EQ(
      some.at("failures.0"),
      R"({"arn":"arn:aws:ecs:us-east-1:000000000000:capacity-provider/x","reason":"MISSING"})");
}

TEST_F(CapacityProviders, AreDescribedByPages) {
  const Reply first = ecs("DescribeCapacityProviders", R"({"maxResults":1})");
  EXPECT_EQ(first.at("capacityProviders.0.name"), "FARGATE");
  EXPECT_EQ(first.at("capacityProviders.1"), "(absent)");
  const Reply second = ecs("DescribeCapacityProviders",
                           R"({"maxResults":1,"nextToken":")" + first.at("nextToken") + R"("})");
  EXPECT_EQ(second.at("capacityProviders.0.name"), "FARGATE_SPOT");
  EXPECT_EQ(second.at("nextToken"), "(absent)");
}

TEST_F(CapacityProviders, OfAClusterAreReplacedAsAWhole) {
  const Reply reply = put(R"(["FARGATE_SPOT","FARGATE"])",
                          R"([{"capacityProvider":"FARGATE","weight":1,"base":2}])");
  EXPECT_EQ(reply.at("cluster.capacityProviders"), R"(["FARGATE_SPOT","FARGATE"])");
  EXPECT_EQ(reply.at("cluster.defaultCapacityProviderStrategy"),
            R"([{"capacityProvider":"FARGATE","weight":1,"base":2}])");
  put(R"(["FARGATE"])");
  const Reply own = ecs("DescribeCapacityProviders", R"({"cluster":"default"})");
  EXPECT_EQ(own.at("capacityProviders.0.name"), "FARGATE");
  EXPECT_EQ(own.at("capacityProviders.1"), "(absent)");
  EXPECT_EQ(put("[]").at("__type"), "ResourceInUseException");
}

TEST_F(CapacityProviders, OfAClusterAreNotTakenAwayByLeavingThemOut) {
  const Reply reply = ecs("PutClusterCapacityProviders",
                          R"({"cluster":"default","capacityProviders":["FARGATE"]})");
  EXPECT_EQ(reply.at("__type"), "InvalidParameterException");
  EXPECT_THAT(reply.at("message"), HasSubstr("defaultCapacityProviderStrategy"));
}

TEST_F(CapacityProviders, AreNeitherMadeNorDeletedByCallers) {
  const auto create = [&](const std::string& name) {
    return ecs("CreateCapacityProvider", R"({"name":")" + name + R"("})");
  };
  EXPECT_EQ(create("mine").at("__type"), "UnsupportedFeatureException");
  EXPECT_THAT(create("FargateLike").at("message"), HasSubstr("cannot be prefixed"));
  const auto remove = [&](const std::string& name) {
    return ecs("DeleteCapacityProvider", R"({"capacityProvider":")" + name + R"("})").at("message");
  };
  EXPECT_EQ(remove("FARGATE"),
            "The specified capacity provider is reserved and cannot be deleted.");
  EXPECT_EQ(remove("mine"), "The specified capacity provider was not found.");
}

TEST_F(CapacityProviders, StandInAServiceInPlaceOfItsLaunchType) {
  register_web();
  const Reply made =
      ecs("CreateService",
          R"({"serviceName":"web","taskDefinition":"web","desiredCount":1,)"
          R"("capacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1}]})");
  EXPECT_EQ(made.at("service.capacityProviderStrategy"),
            R"([{"capacityProvider":"FARGATE","weight":1}])");
  EXPECT_EQ(made.at("service.launchType"), "(absent)");
  EXPECT_EQ(ecs("ListServices", R"({"launchType":"EC2"})").at("serviceArns"), "[]");
  const Reply daemon = ecs(
      "CreateService", R"({"serviceName":"d","taskDefinition":"web","schedulingStrategy":"DAEMON",)"
                       R"("capacityProviderStrategy":[{"capacityProvider":"FARGATE"}]})");
  EXPECT_THAT(daemon.at("message"), HasSubstr("capacityProviderStrategy"));
}

TEST_F(CapacityProviders, AndFargateHaveAPlatformThatServicesShow) {
  register_web();
  const auto create = [this](const std::string& name, const std::string& how) {
    return ecs("CreateService", R"({"taskDefinition":"web","desiredCount":1,"serviceName":")" +
                                    name + R"(",)" + how + "}");
  };
  for (const Reply& made :
       {create("spot",
               R"("capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1}])"),
        create("pool", R"("launchType":"FARGATE")")}) {
    EXPECT_EQ(made.at("service.platformVersion"), "LATEST");
    EXPECT_EQ(made.at("service.platformFamily"), "Linux");
  }
  const Reply old = create("old", R"("launchType":"FARGATE","platformVersion":"1.4.0")");
  EXPECT_EQ(old.at("service.platformVersion"), "1.4.0");
  const Reply elsewhere = create("own", R"("launchType":"EC2")");
  EXPECT_EQ(elsewhere.at("service.platformVersion"), "(absent)");
  EXPECT_EQ(elsewhere.at("service.platformFamily"), "(absent)");
}

TEST_F(CapacityProviders, HavePoolsThatTheirOperatorSees) {
  model::Pool& pool = control_.pools.emplace_back();
  pool.set_plugin("fargate");
  pool.set_name("default");
  pool.add_hosts()->set_remaining_cpu(512);
  const Reply reply = call("Berth_20261122.ListPools", R"({"cluster":"default"})");
  EXPECT_EQ(reply.at("pools.0.plugin"), "fargate");
  EXPECT_EQ(reply.at("pools.0.hosts.0.remainingCpu"), "512");
  EXPECT_EQ(control_.pools_of, ClusterName("default"));
  call("Berth_20261122.ListPools", "{}");
  EXPECT_EQ(control_.pools_of, std::nullopt);
}

}  // namespace
}  // namespace berth::api
