// SPDX-License-Identifier: Apache-2.0
// The operations as a client sees them, over a socket.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;

std::string id(int number) {
  std::string text = std::to_string(number);
  return std::string(32 - text.size(), '0') + text;
}
std::string in_quotes(const std::string& text) {
  return "\"" + text + "\"";
}

class Operations : public ServerTest {
 protected:
  void SetUp() override { start(); }
  void add_instance(const std::string& name) {
    auto instance = std::make_shared<ContainerInstance>();
    instance->id = NodeId(name);
    instance->cluster = ClusterName("default");
    instance->registered_at = Instant(milliseconds(1'700'000'000'000));
    v1::Node& node = instance->node;
    node.set_id(name);
    node.set_connected(true);
    node.set_agent_version("0.1.0");
    node.set_runtime_version("crun 1.8.1");
    auto* attribute = node.add_attributes();
    attribute->set_name("ecs.availability-zone");
    attribute->set_value("local-a");
    const auto counter = [&](const char* resource, std::int64_t total) {
      auto& offered = *node.add_resources();
      offered.set_name(resource);
      offered.mutable_counter()->set_total(total);
    };
    counter("CPU", 2048);
    counter("MEMORY", 3900);
    for (const char* ports : {"PORTS", "PORTS_UDP"}) {
      auto& offered = *node.add_resources();
      offered.set_name(ports);
      offered.mutable_exclusive_set();
      if (std::string(ports) == "PORTS") offered.mutable_exclusive_set()->add_reserved("22");
    }
    control_.state().put(ContainerInstancePtr(instance));
  }
};

TEST_F(Operations, ThatAreNotServedSaySoByName) {
  const auto task_set = ecs("CreateTaskSet", R"({"service":"x"})");
  EXPECT_EQ(task_set.status, 400);
  EXPECT_EQ(task_set.at("__type"), "UnsupportedFeatureException");
  EXPECT_THAT(task_set.at("message"), HasSubstr("CreateTaskSet"));
  for (const char* target : {"AmazonEC2ContainerServiceV20141113.Nothing", "Berth_20261122.Nothing",
                             "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", ""}) {
    const auto reply = call(target, "{}");
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.at("__type"), "com.amazon.coral.service#UnknownOperationException");
    EXPECT_THAT(reply.at("message"), HasSubstr(target));
  }
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/").status, 405);
}

TEST_F(Operations, NeedASignature) {
  RawClient client(port());
  client.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: "
      "AmazonEC2ContainerServiceV20141113.ListClusters"
      "\r\nContent-Length: 2\r\n\r\n{}");
  const auto reply = parse(client.read_response());
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.at("__type"), "com.amazon.coral.service#MissingAuthenticationTokenException");
}

TEST_F(Operations, CreateAndDescribeClusters) {
  const auto made = ecs("CreateCluster", R"({"clusterName":"prod"})");
  EXPECT_EQ(
      made.body,
      R"({"cluster":{"clusterArn":"arn:aws:ecs:us-east-1:000000000000:cluster/prod",)"
      R"("clusterName":"prod","status":"ACTIVE","registeredContainerInstancesCount":0,)"
      R"("runningTasksCount":0,"pendingTasksCount":0,"activeServicesCount":0,)"
      R"("statistics":[],"tags":[],"settings":[{"name":"containerInsights",)"
      R"("value":"disabled"}],"capacityProviders":[],"defaultCapacityProviderStrategy":[]}})");
  const auto described = ecs("DescribeClusters", R"({"clusters":["prod","gone",
      "arn:aws:ecs:us-east-1:000000000000:cluster/default"]})");
  EXPECT_EQ(described.at("clusters.0.clusterName"), "prod");
  EXPECT_EQ(described.at("clusters.0.settings"), "[]");
  EXPECT_EQ(described.at("clusters.1.clusterName"), "default");
  EXPECT_EQ(described.at("failures"),
            R"([{"arn":"arn:aws:ecs:us-east-1:000000000000:cluster/gone","reason":"MISSING"}])");
  EXPECT_EQ(ecs("DescribeClusters", "{}").at("clusters.0.clusterName"), "default");
  EXPECT_EQ(ecs("CreateCluster", R"({"clusterName":"a b"})").at("__type"),
            "InvalidParameterException");
}

TEST_F(Operations, CountTasksByLaunchTypeWhereStatisticsAreAskedFor) {
  register_web();
  for (int i = 0; i < 4500; ++i) {
    control_.add_task(id(i), "web", i % 3 == 0 ? TaskStatus::Pending : TaskStatus::Running);
  }
  const auto reply = ecs("DescribeClusters", R"({"include":["STATISTICS"]})");
  EXPECT_EQ(reply.at("clusters.0.statistics.0"),
            R"({"name":"runningEC2TasksCount","value":"3000"})");
  EXPECT_EQ(reply.at("clusters.0.statistics.1"),
            R"({"name":"RunningFargateTasksCount","value":"0"})");
  EXPECT_EQ(reply.at("clusters.0.statistics.2"),
            R"({"name":"pendingEC2TasksCount","value":"1500"})");
  EXPECT_EQ(reply.at("clusters.0.runningTasksCount"), "3000");
}

TEST_F(Operations, DeleteClustersThatAreEmpty) {
  register_web();
  control_.add_task(id(1), "web");
  EXPECT_EQ(ecs("DeleteCluster", R"({"cluster":"default"})").at("__type"),
            "ClusterContainsTasksException");
  ecs("CreateCluster", R"({"clusterName":"empty"})");
  EXPECT_EQ(ecs("DeleteCluster", R"({"cluster":"empty"})").at("cluster.status"), "INACTIVE");
  EXPECT_EQ(ecs("ListTasks", R"({"cluster":"empty"})").at("__type"), "ClusterNotFoundException");
  EXPECT_EQ(ecs("ListTasks", R"({"cluster":"empty"})").at("message"), "Cluster not found.");
  EXPECT_EQ(ecs("DescribeClusters", R"({"clusters":["empty"]})").at("clusters.0.status"),
            "INACTIVE");
  EXPECT_EQ(ecs("DeleteCluster", "{}").at("message"), "cluster should not be null or empty.");
}

TEST_F(Operations, RegisterAndDescribeDefinitionsWithMembersOfTomorrow) {
  const auto made = ecs("RegisterTaskDefinition",
                        R"({"family":"web","shinyNew":{"a":[1,2.50]},"containerDefinitions":
                            [{"name":"a","image":"i","memory":128,"alsoNew":"x",
                              "portMappings":[{"containerPort":80,"name":"web",
                                               "appProtocol":"http2"}]}]})");
  ASSERT_EQ(made.status, 200) << made.body;
  for (const auto& reply : {made, ecs("DescribeTaskDefinition", R"({"taskDefinition":"web"})")}) {
    EXPECT_EQ(reply.at("taskDefinition.taskDefinitionArn"),
              "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1");
    EXPECT_EQ(reply.at("taskDefinition.shinyNew"), R"({"a":[1,2.50]})");
    EXPECT_EQ(reply.at("taskDefinition.containerDefinitions.0.alsoNew"), "x");
    EXPECT_EQ(reply.at("taskDefinition.containerDefinitions.0.essential"), "true");
    EXPECT_EQ(reply.at("taskDefinition.containerDefinitions.0.portMappings.0.name"), "web");
    EXPECT_EQ(reply.at("taskDefinition.containerDefinitions.0.portMappings.0.appProtocol"),
              "http2");
    EXPECT_EQ(reply.at("taskDefinition.volumes"), "[]");
    EXPECT_EQ(reply.at("taskDefinition.compatibilities"), R"(["EXTERNAL","EC2"])");
    EXPECT_EQ(reply.at("taskDefinition.requiresCompatibilities"), "(absent)");
    EXPECT_EQ(reply.at("taskDefinition.registeredBy"), "arn:aws:iam::000000000000:root");
  }
  EXPECT_EQ(ecs("DescribeTaskDefinition", R"({"taskDefinition":"none"})").at("message"),
            "Unable to describe task definition.");
  EXPECT_EQ(ecs("DeregisterTaskDefinition", R"({"taskDefinition":"web"})").at("message"),
            "Revision is missing.");
  EXPECT_EQ(ecs("DeregisterTaskDefinition", R"({"taskDefinition":"web:x"})").body,
            R"({"__type":"InvalidParameterException",)"
            R"("message":"Invalid revision number. Number: x"})");
  EXPECT_EQ(
      ecs("DeregisterTaskDefinition", R"({"taskDefinition":"web:1"})").at("taskDefinition.status"),
      "INACTIVE");
}

TEST_F(Operations, RefuseDefinitionsOfMoreThan64KiB) {
  const auto reply =
      ecs("RegisterTaskDefinition", R"({"family":"web","x":")" + std::string(65'536, 'x') + "\"}");
  EXPECT_EQ(reply.at("__type"), "ClientException");
  EXPECT_THAT(reply.at("message"), HasSubstr("Max allowed length is '65536' bytes."));
}

TEST_F(Operations, ListDefinitionsInPagesUpAndDown) {
  const auto add = [&](const std::string& family) {
    ecs("RegisterTaskDefinition",
        R"({"family":")" + family +
            R"(","containerDefinitions":[{"name":"a","image":"i","memory":8}]})");
  };
  for (int i = 0; i < 11; ++i) add("web");
  add("api");
  add("web-2");
  const auto pages = [&](const std::string& members) {
    std::string all;
    std::string token;
    for (int page = 0; page < 20; ++page) {
      const auto reply = ecs("ListTaskDefinitions",
                             "{\"maxResults\":4," + members +
                                 (token.empty() ? "" : ",\"nextToken\":" + in_quotes(token)) + "}");
      EXPECT_EQ(reply.status, 200) << reply.body;
      for (const auto& arn : reply.value.find("taskDefinitionArns")->items) {
        all += arn.text.substr(arn.text.find('/') + 1) + " ";
      }
      token = reply.at("nextToken");
      if (token == "(absent)") return all;
    }
    return all;
  };
  EXPECT_EQ(pages(R"("sort":"ASC")"),
            "api:1 web:1 web:2 web:3 web:4 web:5 web:6 web:7 web:8 web:9 web:10 web:11 web-2:1 ");
  EXPECT_EQ(pages(R"("sort":"DESC")"),
            "web-2:1 web:11 web:10 web:9 web:8 web:7 web:6 web:5 web:4 web:3 web:2 web:1 api:1 ");
  EXPECT_EQ(pages(R"("familyPrefix":"web","sort":"DESC")"),
            "web:11 web:10 web:9 web:8 web:7 web:6 web:5 web:4 web:3 web:2 web:1 ");
  EXPECT_EQ(pages(R"("status":"INACTIVE")"), "");
  const auto families = ecs("ListTaskDefinitionFamilies", R"({"familyPrefix":"web"})");
  EXPECT_EQ(families.at("families"), R"(["web","web-2"])");
}

TEST_F(Operations, TakeTokensOnlyForTheListTheyBelongTo) {
  register_web();
  for (int i = 0; i < 10; ++i) control_.add_task(id(i), "web");
  const auto first = ecs("ListTasks", R"({"maxResults":3})");
  const std::string token = first.at("nextToken");
  // A list that changes meanwhile loses and repeats nothing of what stays.
  control_.state().erase_task(TaskId(id(2)));
  control_.state().erase_task(TaskId(id(3)));
  const auto second = ecs("ListTasks", R"({"maxResults":3,"nextToken":)" + in_quotes(token) + "}");
  EXPECT_THAT(second.at("taskArns.0"), HasSubstr("task/default/" + id(4)));
  for (const std::string& body :
       {R"({"family":"web","nextToken":)" + in_quotes(token) + "}",
        std::string(R"({"nextToken":"AAAA"})"), std::string(R"({"nextToken":"not base64!"})")}) {
    const auto reply = ecs("ListTasks", body);
    EXPECT_EQ(reply.at("__type"), "InvalidParameterException") << body;
  }
  EXPECT_EQ(ecs("ListTasks", R"({"maxResults":101})").at("__type"), "InvalidParameterException");
}

TEST_F(Operations, FilterTasks) {
  register_web();
  control_.add_task(id(1), "web");
  control_.add_task(id(2), "web", TaskStatus::Stopped);
  const auto count = [&](const std::string& body) {
    const auto reply = ecs("ListTasks", body);
    const auto* arns = reply.value.find("taskArns");
    return arns == nullptr ? reply.at("__type") : std::to_string(arns->items.size());
  };
  EXPECT_EQ(count("{}"), "1");
  EXPECT_EQ(count(R"({"desiredStatus":"STOPPED"})"), "1");
  EXPECT_EQ(count(R"({"desiredStatus":"PENDING"})"), "0");
  EXPECT_EQ(count(R"({"family":"web"})"), "1");
  EXPECT_EQ(count(R"({"family":"we"})"), "0");
  EXPECT_EQ(count(R"({"launchType":"FARGATE"})"), "0");
  EXPECT_EQ(count(R"({"launchType":"X"})"), "ClientException");
  EXPECT_EQ(count(R"({"serviceName":"x"})"), "ServiceNotFoundException");
  EXPECT_EQ(count(R"({"containerInstance":"x"})"), "InvalidParameterException");
  EXPECT_EQ(count(R"({"startedBy":"x","family":"web"})"), "InvalidParameterException");
}

TEST_F(Operations, RunDescribeAndStopTasks) {
  register_web();
  const auto ran = ecs("RunTask", R"({"taskDefinition":"web","count":2})");
  ASSERT_EQ(ran.status, 200) << ran.body;
  EXPECT_EQ(ran.at("tasks.0.taskArn"),
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcde0");
  EXPECT_EQ(ran.at("tasks.1.lastStatus"), "PENDING");
  EXPECT_EQ(ran.at("tasks.0.desiredStatus"), "RUNNING");
  EXPECT_EQ(ran.at("tasks.0.createdAt"), "1700000000.123");
  EXPECT_EQ(ran.at("tasks.0.overrides"),
            R"({"containerOverrides":[{"name":"a"}],"inferenceAcceleratorOverrides":[]})");
  EXPECT_EQ(ran.at("tasks.0.containers.0"),
            R"({"containerArn":"arn:aws:ecs:us-east-1:000000000000:container/default/)"
            R"(0123456789abcdef0123456789abcde0/11111111-2222-4333-8444-555555555555",)"
            R"("taskArn":"arn:aws:ecs:us-east-1:000000000000:task/default/)"
            R"(0123456789abcdef0123456789abcde0","name":"a","image":"i","lastStatus":"PENDING",)"
            R"("networkInterfaces":[],"healthStatus":"UNKNOWN","cpu":"0","memory":"128"})");
  EXPECT_EQ(ran.at("failures"), R"([{"arn":"arn:x","reason":"RESOURCE:CPU"}])");
  const auto described =
      ecs("DescribeTasks", R"({"tasks":["0123456789abcdef0123456789abcde0",")" + id(9) + "\"]}");
  EXPECT_EQ(described.at("tasks.0.cpu"), "64");
  EXPECT_EQ(described.at("tasks.0.memory"), "128");
  EXPECT_EQ(described.at("tasks.0.tags"), "[]");
  EXPECT_EQ(described.at("tasks.0.attachments"), "[]");
  EXPECT_EQ(described.at("tasks.0.stoppedAt"), "(absent)");
  EXPECT_EQ(described.at("failures.0.arn"),
            "arn:aws:ecs:us-east-1:000000000000:task/default/" + id(9));
  EXPECT_EQ(described.at("failures.0.reason"), "MISSING");
  EXPECT_EQ(ecs("DescribeTasks", R"({"tasks":[]})").body,
            R"({"__type":"InvalidParameterException","message":"Tasks cannot be empty."})");
  EXPECT_EQ(ecs("StopTask", R"({"task":"x"})").at("message"), "The referenced task was not found.");
  EXPECT_THAT(ecs("DescribeTasks", R"({"tasks":["arn:aws:ecs:us-east-1:1:task/other/x"]})").body,
              HasSubstr("Identifier is for cluster other"));
}

TEST_F(Operations, RefuseWrongWaysToRunTasks) {
  const auto text = [&](const std::string& members) {
    const auto reply = ecs("RunTask", "{\"taskDefinition\":\"web\"," + members + "}");
    return reply.at("__type") + ": " + reply.at("message");
  };
  EXPECT_EQ(text(R"("launchType":"MOON")"),
            "ClientException: launch type should be one of [EC2,FARGATE,EXTERNAL]");
  EXPECT_THAT(text(R"("count":11)"), HasSubstr("InvalidParameterException: count"));
  EXPECT_THAT(text(R"("count":0)"), HasSubstr("between 1 and 10"));
  EXPECT_THAT(ecs("RunTask", R"({"taskDefinition":"web","count":"1"})").body,
              HasSubstr(R"("Message":"count: STRING_VALUE can not be converted to an Integer")"));
  EXPECT_THAT(text(R"("launchType":"EC2","capacityProviderStrategy":[{"capacityProvider":"x"}])"),
              HasSubstr("InvalidParameterException"));
  EXPECT_THAT(text(R"("propagateTags":"SERVICE")"), HasSubstr("propagateTags"));
  EXPECT_THAT(text(R"("networkConfiguration":{"awsvpcConfiguration":{"subnets":[]}})"),
              HasSubstr("subnets can not be empty."));
  EXPECT_THAT(text(R"("startedBy":"a b")"), HasSubstr("startedBy"));
  EXPECT_THAT(text(R"("clientToken":"a b")"), HasSubstr("clientToken"));
  EXPECT_THAT(text(R"("placementStrategy":[{"type":"binpack","field":"disk"}])"),
              HasSubstr("cpu or memory"));
  EXPECT_THAT(text(R"("placementConstraints":[{"type":"memberOf"}])"), HasSubstr("memberOf"));
  EXPECT_THAT(text(R"("tags":[{"key":"aws:x"}])"), HasSubstr("reserved"));
  EXPECT_THAT(text(R"("overrides":{"containerOverrides":[{"name":"a","command":[")" +
                   std::string(9000, 'x') + "\"]}]}"),
              HasSubstr("8192 characters"));
  EXPECT_THAT(ecs("RunTask", "{}").at("message"), HasSubstr("taskDefinition"));
}

TEST_F(Operations, ShowContainerInstancesWithWhatIsLeft) {
  add_instance(id(1));
  register_web();
  control_.add_task(id(7), "web", TaskStatus::Running, id(1));
  const auto listed = ecs("ListContainerInstances", "{}");
  EXPECT_EQ(listed.at("containerInstanceArns.0"),
            "arn:aws:ecs:us-east-1:000000000000:container-instance/default/" + id(1));
  const auto reply = ecs("DescribeContainerInstances",
                         R"({"containerInstances":[")" + id(1) + "\",\"" + id(2) + "\"]}");
  EXPECT_EQ(reply.at("containerInstances.0.registeredResources.0"),
            R"({"name":"CPU","type":"INTEGER","doubleValue":0,"longValue":0,"integerValue":2048})");
  EXPECT_EQ(reply.at("containerInstances.0.remainingResources.0.integerValue"), "1984");
  EXPECT_EQ(reply.at("containerInstances.0.remainingResources.1.integerValue"), "3772");
  EXPECT_EQ(reply.at("containerInstances.0.registeredResources.2.stringSetValue"), R"(["22"])");
  EXPECT_EQ(reply.at("containerInstances.0.registeredResources.3.stringSetValue"), "[]");
  EXPECT_EQ(reply.at("containerInstances.0.runningTasksCount"), "1");
  EXPECT_EQ(reply.at("containerInstances.0.agentConnected"), "true");
  EXPECT_EQ(reply.at("containerInstances.0.registeredAt"), "1700000000");
  EXPECT_EQ(reply.at("containerInstances.0.versionInfo"),
            R"({"agentVersion":"0.1.0","dockerVersion":"crun 1.8.1"})");
  EXPECT_EQ(reply.at("failures.0.reason"), "MISSING");
  const auto task = ecs("DescribeTasks", R"({"tasks":[")" + id(7) + "\"]}");
  EXPECT_EQ(task.at("tasks.0.containerInstanceArn"), listed.at("containerInstanceArns.0"));
  EXPECT_EQ(task.at("tasks.0.availabilityZone"), "local-a");
  EXPECT_EQ(task.at("tasks.0.connectivity"), "CONNECTED");
  EXPECT_EQ(ecs("DescribeContainerInstances", R"({"containerInstances":[]})").body,
            R"({"__type":"ClientException","message":"Container Instances cannot be empty."})");
}

TEST_F(Operations, FilterContainerInstancesInTheQueryLanguage) {
  add_instance(id(1));
  add_instance(id(2));
  register_web();
  control_.add_task(id(7), "web", TaskStatus::Running, id(2));
  const auto found = [&](const std::string& filter) {
    const auto reply = ecs("ListContainerInstances", R"({"filter":")" + filter + "\"}");
    if (reply.status != 200) return reply.at("__type") + ": " + reply.at("message");
    std::string ids;
    for (const auto& arn : reply.value.find("containerInstanceArns")->items) ids += arn.text.back();
    return ids;
  };
  EXPECT_EQ(found("attribute:ecs.availability-zone == local-a"), "12");
  EXPECT_EQ(found("attribute:ecs.availability-zone != local-a"), "");
  EXPECT_EQ(found("runningTasksCount > 0"), "2");
  EXPECT_EQ(found("task:group == family:web"), "2");
  EXPECT_EQ(found("not(task:group == family:web) and agentConnected == true"), "1");
  EXPECT_THAT(found("attribute:x ~ y"), HasSubstr("InvalidParameterException: Invalid filter"));
  const auto refused =
      ecs("RegisterTaskDefinition",
          R"({"family":"f","containerDefinitions":[{"name":"a","image":"i","memory":8}],
          "placementConstraints":[{"type":"memberOf","expression":"what?"}]})");
  EXPECT_EQ(refused.at("__type"), "ClientException");
  EXPECT_THAT(refused.at("message"), HasSubstr("Invalid expression 'what?'"));
}

TEST_F(Operations, OfBerthsOwnWatchTasksAndNamePlugins) {
  register_web();
  control_.add_task(id(1), "web");
  const auto watched =
      call("Berth_20261122.WatchTask", R"({"task":")" + id(1) + R"(","cursor":41})");
  EXPECT_EQ(watched.at("cursor"), "42");
  EXPECT_EQ(watched.at("task.lastStatus"), "RUNNING");
  EXPECT_EQ(watched.at("pulls.0.bytesTotal"), "7");
  EXPECT_EQ(call("Berth_20261122.ListPlugins", "{}").at("plugins.0.name"), "ec2");
  EXPECT_EQ(call("Berth_20261122.GetVersion", "{}").at("region"), "us-east-1");
  EXPECT_EQ(call("Berth_20261122.GetVersion", "{}").at("servicesRest"), "false");
}

}  // namespace
}  // namespace berth::api
