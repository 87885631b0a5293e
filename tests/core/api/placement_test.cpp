// SPDX-License-Identifier: Apache-2.0
// StartTask, PlanTask and ExplainTask as a client sees them, over a socket.
#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kNode = "00000000000000000000000000000001";

class PlacementOperations : public ServerTest {
 protected:
  void SetUp() override {
    start();
    register_web();
    auto instance = std::make_shared<ContainerInstance>();
    instance->id = NodeId(kNode);
    instance->cluster = ClusterName("default");
    instance->node.set_id(kNode);
    instance->node.set_connected(true);
    instance->node.set_ec2_instance_id("i-1");
    control_.state().put(ContainerInstancePtr(instance));
    instance_ = instance;
  }
  Reply berth(const std::string& operation, const std::string& body) {
    return call("Berth_20261122." + operation, body);
  }
  static std::string said(const Reply& reply) {
    return reply.at("__type") + ": " + reply.at("message");
  }
  control::ExplainTaskAnswer running(const std::string& placed_by) {
    control::ExplainTaskAnswer why;
    const TaskPtr task =
        control_.add_task("0123456789abcdef0123456789abcdef", "web", TaskStatus::Running, kNode);
    auto changed = std::make_shared<Task>(*task);
    auto launch = std::make_shared<Launch>(*task->launch);
    launch->placed_by = placed_by;
    changed->launch = launch;
    why.task = changed;
    why.instance = instance_;
    why.node_known = true;
    why.place = {.instance_arn = "arn:i", .ec2_instance_id = "i-1", .plugin = PluginName("ec2")};
    return why;
  }
  static control::StrategyTerm term(const char* type, const char* field, std::int64_t value,
                                    std::int64_t best) {
    control::StrategyTerm out;
    out.strategy.set_type(type);
    out.strategy.set_field(field);
    out.measured = true;
    out.value = value;
    out.best = best;
    return out;
  }

  ContainerInstancePtr instance_;
};

TEST_F(PlacementOperations, StartTasksOnInstancesByIdAndByArn) {
  const std::string arn = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/";
  const auto reply =
      ecs("StartTask", R"({"taskDefinition":"web","group":"g","startedBy":"me/1",)"
                       R"("containerInstances":[")" +
                           arn + kNode + R"(","gone"],"tags":[{"key":"a","value":"b"}],)" +
                           R"("overrides":{"cpu":".25 vCPU"},"enableECSManagedTags":true})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.at("tasks.0.containerInstanceArn"), arn + kNode);
  EXPECT_EQ(reply.at("tasks.1"), "(absent)");
  EXPECT_EQ(reply.at("failures"), R"([{"arn":"gone","reason":"MISSING","detail":"Not here."}])");
  EXPECT_EQ(control_.started.container_instances(0), kNode);
  EXPECT_EQ(control_.started.cluster(), "default");
  EXPECT_EQ(control_.started.overrides().cpu(), "256");
  EXPECT_EQ(control_.started.started_by(), "me/1");
  EXPECT_TRUE(control_.started.enable_ecs_managed_tags());
}

TEST_F(PlacementOperations, RefuseWrongWaysToStartTasks) {
  const auto text = [&](const std::string& members) {
    return said(ecs("StartTask", "{\"taskDefinition\":\"web\"," + members + "}"));
  };
  const std::string one = R"("containerInstances":["x"],)";
  EXPECT_EQ(text(R"("containerInstances":[])"),
            "ClientException: Container Instances cannot be empty.");
  std::string eleven;
  for (int i = 0; i < 11; ++i) eleven += std::string(i > 0 ? "," : "") + "\"i\"";
  EXPECT_THAT(text("\"containerInstances\":[" + eleven + "]"),
              HasSubstr("Container Instances can have at most 10 entries"));
  EXPECT_THAT(
      text(R"("containerInstances":["arn:aws:ecs:us-east-1:1:container-instance/o/x"])"),
      HasSubstr("InvalidParameterException: Invalid identifier: Identifier is for cluster"));
  EXPECT_THAT(text(R"("containerInstances":[""])"), HasSubstr("empty text"));
  EXPECT_THAT(text(one + R"("startedBy":")" + std::string(37, 'a') + "\""), HasSubstr("36"));
  EXPECT_THAT(text(one + R"("propagateTags":"SERVICE")"), HasSubstr("propagateTags"));
  EXPECT_THAT(text(one + R"("tags":[{"key":"aws:x"}])"), HasSubstr("reserved"));
  EXPECT_THAT(said(ecs("StartTask", R"({"containerInstances":["x"]})")),
              HasSubstr("taskDefinition"));
}

TEST_F(PlacementOperations, PlanTasksAndShowWhereTheyGo) {
  control_.plan.count = 3;
  control_.plan.placed = 2;
  control_.plan.group = "family:web";
  control_.plan.strategies.emplace_back().set_type("random");
  control_.plan.places = {{.instance_arn = "arn:i",
                           .ec2_instance_id = "i-1",
                           .zone = "a",
                           .launch_type = "EC2",
                           .plugin = PluginName("ec2"),
                           .tasks = 2}};
  control_.plan.refusals = {{.reason = "RESOURCE:CPU",
                             .instances = 7,
                             .closest_arn = "arn:j",
                             .detail = "The task needs 2 cpu units, 1 left.",
                             .needed = 2,
                             .available = 1}};
  const auto reply = berth("PlanTask", R"({"taskDefinition":"web","count":3})");
  EXPECT_EQ(reply.body,
            R"({"count":3,"placedCount":2,"unplacedCount":1,"group":"family:web",)"
            R"("placementConstraints":[],"placementStrategy":[{"type":"random"}],"random":true,)"
            R"("placements":[{"containerInstanceArn":"arn:i","ec2InstanceId":"i-1",)"
            R"("availabilityZone":"a","launchType":"EC2","plugin":"ec2","tasks":2}],)"
            R"("refusals":[{"reason":"RESOURCE:CPU","instances":7,"closest":)"
            R"({"containerInstanceArn":"arn:j","detail":"The task needs 2 cpu units, 1 left.",)"
            R"("needed":2,"available":1}}]})");
  berth("PlanTask",
        R"({"requirement":{"cpu":5,"gpus":1,"ports":[{"hostPort":80}],)"
        R"("attributes":[{"name":"a"}]},"placementStrategy":[{"type":"binpack","field":"cpu"}]})");
  EXPECT_EQ(control_.planned.requirement().ports(0).host_port(), 80);
  EXPECT_EQ(control_.planned.placement_strategy(0).field(), "cpu");
}

TEST_F(PlacementOperations, RefusePlansByTheNameOfTheMember) {
  const auto text = [&](const std::string& body) { return said(berth("PlanTask", body)); };
  EXPECT_THAT(text("{}"), HasSubstr("Either taskDefinition or requirement"));
  EXPECT_THAT(text(R"({"taskDefinition":"web","requirement":{"cpu":1}})"), HasSubstr("Either"));
  EXPECT_THAT(text(R"({"taskDefinition":"web","count":10001})"), HasSubstr("count"));
  EXPECT_THAT(text(R"({"requirement":{"cpu":-1}})"), HasSubstr("requirement.cpu"));
  EXPECT_THAT(text(R"({"requirement":{"ports":[{"hostPort":0}]}})"), HasSubstr("hostPort"));
  EXPECT_THAT(text(R"({"requirement":{"ports":[{"hostPort":1,"protocol":"ip"}]}})"),
              HasSubstr("protocol"));
  EXPECT_THAT(text(R"({"requirement":{"cpu":1},"overrides":{}})"), HasSubstr("overrides"));
  EXPECT_THAT(text(R"({"requirement":{"cpu":1},"launchType":"MOON"})"), HasSubstr("launch type"));
  EXPECT_THAT(text(R"({"requirement":{"cpu":1},"placementConstraints":[{"type":"memberOf",)"
                   R"("expression":"what?"}]})"),
              HasSubstr("Invalid expression 'what?'"));
  EXPECT_THAT(text(R"({"requirement":{"cpu":1},"placementStrategy":[{"type":"binpack"}]})"),
              HasSubstr("cpu or memory"));
}

TEST_F(PlacementOperations, ExplainARunningTaskInWordsAndNumbers) {
  control_.why = running("RunTask");
  control_.why.strategies.emplace_back().set_type("spread");
  control_.why.strategies.back().set_field("instanceId");
  control_.why.terms = {term("spread", "instanceId", 2, 0)};
  control_.why.others_that_fit = 4;
  control_.why.refusals = {{.reason = "AGENT", .instances = 1, .detail = "Its agent is away."}};
  const auto reply = berth("ExplainTask", R"({"task":"0123456789abcdef0123456789abcdef"})");
  EXPECT_EQ(reply.at("task.lastStatus"), "RUNNING");
  EXPECT_EQ(reply.at("summary"),
            std::string("The task runs on the container instance ") + kNode +
                " (i-1). RunTask placed it by spread(instanceId). Placed again now it would go "
                "elsewhere: by spread(instanceId) its place has 2, the best has 0.");
  EXPECT_EQ(reply.at("place.ec2InstanceId"), "i-1");
  EXPECT_EQ(reply.at("terms.0"),
            R"({"type":"spread","field":"instanceId","value":2,"best":0,"chosenAgain":false})");
  EXPECT_EQ(reply.at("otherInstancesThatFit"), "4");
  EXPECT_EQ(reply.at("refusals.0"),
            R"({"reason":"AGENT","instances":1,"closest":{"detail":"Its agent is away."}})");
  EXPECT_EQ(reply.at("unplaced"), "(absent)");
}

TEST_F(PlacementOperations, ExplainThatAnInstanceWouldRefuseItsTaskNow) {
  control_.why = running("RunTask");
  control_.why.place_refuses =
      control::Failure{.arn = "arn:i", .reason = "AGENT", .detail = "Its agent is away."};
  const auto reply = berth("ExplainTask", R"({"task":"0123456789abcdef0123456789abcdef"})");
  EXPECT_THAT(reply.at("summary"), HasSubstr("would find no place. Its agent is away."));
  EXPECT_EQ(reply.at("placeRefuses.reason"), "AGENT");
}

TEST_F(PlacementOperations, ExplainAStoppedTaskThatWasPlacedAtRandomInWholeSentences) {
  control_.why = running("RunTask");
  auto stopped = std::make_shared<Task>(*control_.why.task);
  stopped->last_status = TaskStatus::Stopped;
  stopped->stop_code = StopCode::UserInitiated;
  stopped->stopped_reason = "by hand";
  control_.why.task = stopped;
  control_.why.strategies.emplace_back().set_type("random");
  control_.why.terms.emplace_back().strategy.set_type("random");
  const auto reply = berth("ExplainTask", R"({"task":"0123456789abcdef0123456789abcdef"})");
  EXPECT_THAT(reply.at("summary"),
              HasSubstr("UserInitiated: by hand. RunTask chose its place at random among those "
                        "that fitted."));
  EXPECT_THAT(reply.at("summary"), Not(HasSubstr("chance")));
}

TEST_F(PlacementOperations, ExplainWithoutGuessingHowAPlaceWasFound) {
  control_.why = running("StartTask");
  const auto named = berth("ExplainTask", R"({"task":"0123456789abcdef0123456789abcdef"})");
  EXPECT_THAT(named.at("summary"), HasSubstr("StartTask named it."));
  EXPECT_THAT(named.at("summary"), Not(HasSubstr("Placed again")));
  control_.why = running("");
  const auto old = berth("ExplainTask", R"({"task":"0123456789abcdef0123456789abcdef"})");
  EXPECT_THAT(old.at("summary"), HasSubstr("does not tell how its place was found"));
  EXPECT_EQ(old.at("placedBy"), "(absent)");
}

TEST_F(PlacementOperations, ExplainWhatBecameOfAGroupsLastCall) {
  EXPECT_THAT(said(berth("ExplainTask", "{}")), HasSubstr("Either task or group"));
  EXPECT_THAT(said(berth("ExplainTask", R"({"task":"a","group":"b"})")), HasSubstr("Either"));
  EXPECT_EQ(said(berth("ExplainTask", R"({"group":"g"})")),
            "InvalidParameterException: No call of g");
  auto unplaced = std::make_shared<control::UnplacedTasks>();
  unplaced->operation = "RunTask";
  unplaced->group = "family:web";
  unplaced->definition = {FamilyName("web"), 1};
  unplaced->at = Instant(milliseconds(1'700'000'000'500));
  unplaced->count = 3;
  unplaced->placed = 1;
  unplaced->launch_type = "EC2";
  unplaced->constraints.emplace_back().set_type("distinctInstance");
  unplaced->strategies.emplace_back().set_type("random");
  unplaced->failures = {{.arn = "arn:x", .reason = "AGENT", .detail = "d"}};
  control_.why = {};
  control_.why.unplaced = unplaced;
  const auto reply = berth("ExplainTask", R"({"group":"family:web"})");
  EXPECT_EQ(reply.at("summary"), "RunTask found places for 1 of 3 tasks of the group family:web.");
  EXPECT_EQ(reply.at("unplaced.at"), "1700000000.5");
  EXPECT_EQ(reply.at("unplaced.failures.0.detail"), "d");
  EXPECT_EQ(reply.at("unplaced.launchType"), "EC2");
  EXPECT_EQ(reply.at("unplaced.placementConstraints"), R"([{"type":"distinctInstance"}])");
  EXPECT_EQ(reply.at("unplaced.placementStrategy"), R"([{"type":"random"}])");
  EXPECT_EQ(reply.at("unplaced.taskDefinitionArn"),
            "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1");
  EXPECT_EQ(reply.at("task"), "(absent)");
}

}  // namespace
}  // namespace berth::api
