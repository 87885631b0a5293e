// SPDX-License-Identifier: Apache-2.0
// Services as a client sees them, over a socket.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

class ServiceOperations : public ServerTest {
 protected:
  void SetUp() override {
    start();
    register_web();
  }
  Reply create(const std::string& more = "") {
    return ecs("CreateService",
               R"({"serviceName":"web","taskDefinition":"web:1","desiredCount":2)" + more + "}");
  }
  static std::string said(const Reply& reply) {
    return reply.at("__type") + ": " + reply.at("message");
  }
  static constexpr const char* kDeployment =
      "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/AAAAAAAAAAAAAAAAAAAAA";
};

TEST_F(ServiceOperations, ShowAServiceWithEcsDefaults) {
  const Reply made = create();
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.at("service.serviceArn"),
            "arn:aws:ecs:us-east-1:000000000000:service/default/web");
  EXPECT_EQ(made.at("service.status"), "ACTIVE");
  EXPECT_EQ(made.at("service.launchType"), "EC2");
  EXPECT_EQ(made.at("service.schedulingStrategy"), "REPLICA");
  EXPECT_EQ(made.at("service.deploymentConfiguration"),
            R"({"deploymentCircuitBreaker":{"enable":false,"rollback":false},)"
            R"("maximumPercent":200,"minimumHealthyPercent":100,"strategy":"ROLLING"})");
  EXPECT_EQ(made.at("service.propagateTags"), "NONE");
  EXPECT_EQ(made.at("service.events"), "[]");
  EXPECT_EQ(made.at("service.loadBalancers"), "[]");
  EXPECT_EQ(made.at("service.deployments.0.id"), "ecs-svc/1000000000000000001");
  EXPECT_EQ(made.at("service.deployments.0.status"), "PRIMARY");
  EXPECT_EQ(made.at("service.deployments.0.rolloutState"), "IN_PROGRESS");
  EXPECT_EQ(made.at("service.currentServiceDeployment"), kDeployment);
  const Reply again = ecs("DescribeServices", R"({"services":["web","none"]})");
  EXPECT_EQ(again.at("services.0.desiredCount"), "2");
  EXPECT_EQ(again.at("failures.0.reason"), "MISSING");
  EXPECT_EQ(again.at("failures.0.arn"), "arn:aws:ecs:us-east-1:000000000000:service/default/none");
  EXPECT_EQ(ecs("ListServices", "{}").at("serviceArns.0"), made.at("service.serviceArn"));
  EXPECT_EQ(ecs("ListServices", R"({"schedulingStrategy":"DAEMON"})").at("serviceArns"), "[]");
}

TEST_F(ServiceOperations, RefuseByNameWhatIsNotThere) {
  const auto unsupported = [&](const std::string& more, const std::string& member) {
    const std::string text = said(create("," + more));
    EXPECT_THAT(text, HasSubstr("UnsupportedFeatureException"));
    EXPECT_THAT(text, HasSubstr(member));
  };
  unsupported(R"("loadBalancers":[{"targetGroupArn":"a"}])", "loadBalancers");
  unsupported(R"("serviceRegistries":[{"registryArn":"a"}])", "serviceRegistries");
  unsupported(R"("serviceConnectConfiguration":{"enabled":true})", "serviceConnectConfiguration");
  unsupported(R"("volumeConfigurations":[{"name":"a"}])", "volumeConfigurations");
  unsupported(R"("vpcLatticeConfigurations":[{"roleArn":"a"}])", "vpcLatticeConfigurations");
  unsupported(R"("deploymentController":{"type":"CODE_DEPLOY"})", "CODE_DEPLOY");
  unsupported(R"("deploymentConfiguration":{"strategy":"CANARY"})", "CANARY");
  unsupported(
      R"("deploymentConfiguration":{"alarms":{"alarmNames":["a"],"enable":true,"rollback":true}})",
      "alarms");
}

TEST_F(ServiceOperations, RefuseWhatEcsRefuses) {
  const auto refused = [&](const std::string& body) {
    return said(
        ecs("CreateService", R"({"serviceName":"web","taskDefinition":"web",)" + body + "}"));
  };
  EXPECT_THAT(refused(R"("clientToken":"a")"), HasSubstr("desiredCount is required"));
  EXPECT_THAT(refused(R"("desiredCount":1,"schedulingStrategy":"DAEMON")"),
              HasSubstr("desiredCount is not valid"));
  EXPECT_THAT(
      refused(R"("schedulingStrategy":"DAEMON","deploymentConfiguration":{"maximumPercent":200})"),
      HasSubstr("maximumPercent must be 100"));
  EXPECT_THAT(
      refused(
          R"("desiredCount":1,"deploymentConfiguration":{"maximumPercent":100,"minimumHealthyPercent":101})"),
      HasSubstr("must not be above"));
  EXPECT_THAT(refused(R"("desiredCount":-1)"), HasSubstr("InvalidParameterException"));
  EXPECT_THAT(
      refused(
          R"("desiredCount":1,"deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":true}})"),
      HasSubstr("rollback"));
  EXPECT_THAT(said(ecs("UpdateService", R"({"service":"none"})")),
              HasSubstr("ServiceNotFoundException: Service not found."));
  EXPECT_THAT(said(ecs("ListServicesByNamespace", R"({"namespace":"none"})")),
              HasSubstr("NamespaceNotFoundException"));
}

TEST_F(ServiceOperations, TellAnEmptyListFromAnAbsentOne) {
  create();
  ecs("UpdateService", R"({"service":"web","placementConstraints":[],"desiredCount":3})");
  EXPECT_EQ(control_.updated.present, (std::set<std::string>{"placementConstraints"}));
  EXPECT_EQ(control_.updated.request.desired_count(), 3);
}

TEST_F(ServiceOperations, ShowDeploymentsAndRevisionsByTheirArns) {
  create();
  const Reply brief = ecs("ListServiceDeployments", R"({"service":"web"})");
  EXPECT_EQ(brief.at("serviceDeployments.0.serviceDeploymentArn"), kDeployment);
  EXPECT_EQ(brief.at("serviceDeployments.0.status"), "IN_PROGRESS");
  const Reply full = ecs("DescribeServiceDeployments",
                         R"({"serviceDeploymentArns":[")" + std::string(kDeployment) + R"("]})");
  EXPECT_EQ(full.at("serviceDeployments.0.deploymentCircuitBreaker.status"), "DISABLED");
  const std::string revision = full.at("serviceDeployments.0.targetServiceRevision.arn");
  EXPECT_EQ(revision,
            "arn:aws:ecs:us-east-1:000000000000:service-revision/default/web/2000000000000000001");
  const Reply shown =
      ecs("DescribeServiceRevisions", R"({"serviceRevisionArns":[")" + revision + R"("]})");
  EXPECT_EQ(shown.at("serviceRevisions.0.serviceRevisionArn"), revision);
  EXPECT_THAT(said(ecs("DescribeServiceDeployments", R"({"serviceDeploymentArns":["x"]})")),
              HasSubstr("Invalid identifier"));
  const Reply stopped =
      ecs("StopServiceDeployment",
          R"({"stopType":"ABORT","serviceDeploymentArn":")" + std::string(kDeployment) + R"("})");
  EXPECT_EQ(stopped.at("serviceDeploymentArn"), kDeployment);
  EXPECT_EQ(control_.stopped.id, "AAAAAAAAAAAAAAAAAAAAA");
  EXPECT_FALSE(control_.stopped.rollback);
}

TEST_F(ServiceOperations, ListServicesInPages) {
  for (int i = 0; i < 12; ++i) {
    ecs("CreateService", R"({"taskDefinition":"web:1","desiredCount":1,"serviceName":"s)" +
                             std::to_string(100 + i) + "\"}");
  }
  const auto names = [](const Reply& page) {
    std::string all;
    for (const auto& arn : page.value.find("serviceArns")->items) {
      all += arn.text.substr(arn.text.rfind('/') + 1) + " ";
    }
    return all;
  };
  const auto next = [&](const std::string& members, const Reply& page) {
    return ecs("ListServices", "{" + members + R"("nextToken":")" + page.at("nextToken") + "\"}");
  };
  const Reply ten = ecs("ListServices", "{}");
  EXPECT_EQ(names(ten), "s100 s101 s102 s103 s104 s105 s106 s107 s108 s109 ");
  EXPECT_EQ(names(next("", ten)), "s110 s111 ");
  EXPECT_EQ(next("", ten).at("nextToken"), "(absent)");
  const Reply five = ecs("ListServices", R"({"maxResults":5})");
  EXPECT_EQ(names(five), "s100 s101 s102 s103 s104 ");
  // What goes meanwhile moves nothing.
  control_.state().erase_service({ClusterName("default"), ServiceName("s104")});
  const Reply second = next(R"("maxResults":7,)", five);
  EXPECT_EQ(names(second), "s105 s106 s107 s108 s109 s110 s111 ");
  EXPECT_EQ(second.at("nextToken"), "(absent)") << "a full page may be the last";
  EXPECT_EQ(names(ecs("ListServices", R"({"maxResults":100})")).size(), 11 * 5u);
  EXPECT_EQ(said(next(R"("schedulingStrategy":"DAEMON",)", five)),
            "InvalidParameterException: Invalid token.")
      << "of another list";
  for (const char* token : {"AAAA", "no base64!", "="}) {
    EXPECT_EQ(said(ecs("ListServices", R"({"nextToken":")" + std::string(token) + "\"}")),
              "InvalidParameterException: Invalid token.")
        << token;
  }
  for (const char* size : {"0", "101", "-1"}) {
    const Reply refused = ecs("ListServices", R"({"maxResults":)" + std::string(size) + "}");
    EXPECT_EQ(refused.at("__type"), "InvalidParameterException") << size;
    EXPECT_THAT(refused.at("message"), HasSubstr("maxResults")) << size;
  }
}

TEST_F(ServiceOperations, ListDeploymentsInPagesTheNewestFirst) {
  create();
  const auto put = [&](int number, const std::string& status) {
    ServiceDeployment one;
    one.service = {ClusterName("default"), ServiceName("web")};
    one.number = DeploymentNumber(std::to_string(1'000'000'000'000'000'100 + number));
    one.data.set_id(std::to_string(100 + number));
    one.data.set_status(status);
    // Two of each time.
    one.data.mutable_created_at()->set_ms(1'000'000 + number / 2);
    control_.state().put(std::make_shared<const ServiceDeployment>(std::move(one)));
  };
  for (int i = 0; i < 30; ++i) put(i, i % 2 == 0 ? "SUCCESSFUL" : "IN_PROGRESS");
  const auto ids = [](const Reply& page) {
    std::string all;
    for (const auto& one : page.value.find("serviceDeployments")->items) {
      const std::string& arn = one.find("serviceDeploymentArn")->text;
      all += arn.substr(arn.rfind('/') + 1) + " ";
    }
    return all;
  };
  const auto list = [&](const std::string& members, const std::string& token = "") {
    return ecs("ListServiceDeployments",
               R"({"service":"web")" + members +
                   (token.empty() ? "" : R"(,"nextToken":")" + token + "\"") + "}");
  };
  const Reply twenty = list("");
  EXPECT_EQ(ids(twenty).size(), 20 * 4u);
  EXPECT_THAT(ids(twenty), testing::StartsWith("129 128 127 "));
  EXPECT_EQ(ids(list("", twenty.at("nextToken"))),
            "109 108 107 106 105 104 103 102 101 100 AAAAAAAAAAAAAAAAAAAAA ");
  const std::string running = R"(,"status":["IN_PROGRESS"])";
  const Reply first = list(running + R"(,"maxResults":3)");
  EXPECT_EQ(ids(first), "129 127 125 ");
  // The last one shown is of this list no more; the next page begins behind it all the same.
  put(25, "SUCCESSFUL");
  EXPECT_EQ(ids(list(running + R"(,"maxResults":3)", first.at("nextToken"))), "123 121 119 ");
  EXPECT_EQ(said(list("", first.at("nextToken"))), "InvalidParameterException: Invalid token.");
  EXPECT_EQ(said(list("", "AAAA")), "InvalidParameterException: Invalid token.");
  EXPECT_THAT(said(list(R"(,"maxResults":101)")), HasSubstr("InvalidParameterException"));
  EXPECT_THAT(said(list(R"(,"maxResults":0)")), HasSubstr("maxResults"));
}

TEST_F(ServiceOperations, ProtectTasksForTwoHoursUnlessTold) {
  const auto protect = [&](const std::string& more) {
    return ecs("UpdateTaskProtection",
               R"({"cluster":"default","tasks":["0123456789abcdef0123456789abcdef"])" + more + "}");
  };
  EXPECT_EQ(protect(R"(,"protectionEnabled":true)").status, 200);
  EXPECT_EQ(control_.protection.expires_in, std::chrono::minutes(120));
  protect(R"(,"protectionEnabled":false)");
  EXPECT_EQ(control_.protection.expires_in, std::nullopt);
  EXPECT_THAT(said(protect(R"(,"protectionEnabled":true,"expiresInMinutes":2881)")),
              HasSubstr("InvalidParameterException"));
}

TEST_F(ServiceOperations, ChangeAndListTags) {
  const std::string arn = create(R"(,"tags":[{"key":"a","value":"b"}])").at("service.serviceArn");
  EXPECT_EQ(ecs("ListTagsForResource", R"({"resourceArn":")" + arn + R"("})").at("tags.0.key"),
            "a");
  EXPECT_EQ(
      ecs("TagResource", R"({"tags":[{"key":"c","value":"d"}],"resourceArn":")" + arn + R"("})")
          .body,
      "{}");
  EXPECT_EQ(control_.tagged.tags.size(), 1u);
  ecs("UntagResource", R"({"tagKeys":["a"],"resourceArn":")" + arn + R"("})");
  EXPECT_EQ(control_.tagged.without, std::vector<std::string>{"a"});
  const std::string prefix = "arn:aws:ecs:us-east-1:000000000000:";
  const auto tag = [&](const std::string& resource) {
    return ecs("TagResource",
               R"({"tags":[{"key":"c"}],"resourceArn":")" + prefix + resource + R"("})");
  };
  EXPECT_EQ(tag("cluster/default").body, "{}");
  EXPECT_EQ(std::get<ClusterName>(control_.tagged.resource).str(), "default");
  tag("task/default/0123");
  EXPECT_EQ(std::get<control::TaskName>(control_.tagged.resource).id.str(), "0123");
  tag("container-instance/default/4567");
  EXPECT_EQ(std::get<control::InstanceName>(control_.tagged.resource).id.str(), "4567");
  tag("task-definition/web:3");
  EXPECT_EQ(std::get<DefinitionId>(control_.tagged.resource).revision, 3);
  EXPECT_THAT(said(tag("task-definition/web")), HasSubstr("Revision is missing."));
  EXPECT_THAT(said(tag("service/web")), HasSubstr("Long arn format must be used"));
  EXPECT_THAT(said(tag("capacity-provider/spot")), HasSubstr("UnsupportedFeatureException"));
  EXPECT_THAT(said(tag("bucket/x")), HasSubstr("InvalidParameterException"));
  EXPECT_THAT(said(tag("cluster/other")), HasSubstr("ClusterNotFoundException"));
}

TEST_F(ServiceOperations, DeregisterContainerInstancesByIdAndArn) {
  EXPECT_THAT(said(ecs("DeregisterContainerInstance", R"({"force":true})")),
              HasSubstr("containerInstance"));
  EXPECT_THAT(said(ecs("DeregisterContainerInstance", R"({"containerInstance":"x"})")),
              HasSubstr("The specified container instance was not found."));
  EXPECT_EQ(control_.deregistered.instance, "x");
  EXPECT_FALSE(control_.deregistered.force);
  ecs("DeregisterContainerInstance",
      R"({"force":true,"containerInstance":)"
      R"("arn:aws:ecs:us-east-1:000000000000:container-instance/default/y"})");
  EXPECT_EQ(control_.deregistered.instance, "y");
  EXPECT_TRUE(control_.deregistered.force);
}

TEST_F(ServiceOperations, DrainInstancesOneByOne) {
  EXPECT_THAT(said(ecs("UpdateContainerInstancesState",
                       R"({"containerInstances":["a"],"status":"REGISTERING"})")),
              HasSubstr("Container instance status should be one of [ACTIVE,DRAINING]"));
  EXPECT_EQ(
      ecs("UpdateContainerInstancesState", R"({"containerInstances":["a"],"status":"DRAINING"})")
          .at("failures.0.reason"),
      "MISSING");
}

}  // namespace
}  // namespace berth::api
