// SPDX-License-Identifier: Apache-2.0
#include "core/control/run_parts.hpp"
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::HasSubstr;

class RunTaskTest : public Bench {};

TEST_F(RunTaskTest, PlansThenPlacesThenAnswersThenStarts) {
  bring_up();
  ask(definition());
  auto asked = submit(run_task());
  settle();
  EXPECT_FALSE(asked->done()) << "the plan is not there yet";
  v1::PlanRequest question;
  ASSERT_TRUE(question.ParseFromString(plugins.calls.front().request));
  EXPECT_EQ(question.definition().family(), "web");
  EXPECT_EQ(question.launch_type(), "EC2");
  answer_plan(256, 128);

  ASSERT_TRUE(asked->done());
  const auto& answer = asked->as<RunTaskAnswer>();
  ASSERT_EQ(answer.tasks.size(), 1u);
  EXPECT_TRUE(answer.failures.empty());
  const Task& task = *answer.tasks[0];
  EXPECT_EQ(task.id.str().size(), 32u);
  EXPECT_EQ(task.last_status, TaskStatus::Pending);
  EXPECT_EQ(task.node.str(), kNode);
  EXPECT_EQ(task.launch->group, "family:web");
  EXPECT_EQ(task.launch->container_ids.size(), 1u);
  EXPECT_EQ(core->state().reserved_on(NodeId(kNode)).cpu(), 256);

  v1::StartTaskRequest start;
  ASSERT_TRUE(start.ParseFromString(plugins.take(v1::METHOD_LAUNCH_START).request));
  EXPECT_EQ(start.task_id(), task.id.str());
  EXPECT_EQ(start.task_arn(), "arn:aws:ecs:us-east-1:000000000000:task/default/" + task.id.str());
  EXPECT_EQ(start.definition().task_definition_arn(),
            "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1");
  EXPECT_EQ(start.requirement().memory_mib(), 128);
}

TEST_F(RunTaskTest, AnswersAndStartsOnlyOnceTheTaskIsDurable) {
  ready();
  auto asked = submit(run_task());
  tick();
  tick();
  EXPECT_EQ(store->waiting(), 1u);
  EXPECT_FALSE(asked->done());
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 0);
  settle();
  EXPECT_TRUE(asked->done());
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), 1);
}

TEST_F(RunTaskTest, UsesAPlanAgainUntilItsPluginStartsAnew) {
  ready();
  placed();
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_PLAN), 0);
  core->plugin_down(PluginName("ec2"));
  core->plugin_up(ec2());
  submit(run_task());
  settle();
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_PLAN), 1);
}

TEST_F(RunTaskTest, PlacesAsManyAsFitAndSaysWhyNotMore) {
  ready({node(kNode, 600, 1024)});
  const auto answer = ask(run_task(4))->as<RunTaskAnswer>();
  EXPECT_EQ(answer.tasks.size(), 2u);
  ASSERT_EQ(answer.failures.size(), 2u);
  EXPECT_EQ(answer.failures[0].arn,
            std::string("arn:aws:ecs:us-east-1:000000000000:container-instance/default/") + kNode);
  EXPECT_EQ(answer.failures[0].reason, "RESOURCE:CPU");
  EXPECT_EQ(core->state().tasks_on(NodeId(kNode)).size(), 3u) << "with the first, stopped one";
}

TEST_F(RunTaskTest, GivesResourcesBackOnlyWhenTheTaskIsStopped) {
  ready({node(kNode, 256, 1024)});
  const TaskId id = running();
  ask(stop_task(id));
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().failures.at(0).reason, "RESOURCE:CPU");
  report(report_of(id, 11, v1::TASK_PHASE_STOPPED));
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().tasks.size(), 1u);
}

struct Refused {
  const char* name;
  std::function<void(RunTask&)> change;
  Errc code;
  Subject subject;
  const char* message;
};

TEST_F(RunTaskTest, RefusesWhatTheRecordsDoNotAllow) {
  ready();
  ask(definition("old"));
  DeregisterTaskDefinition deregister;
  deregister.request.set_task_definition("old:1");
  ask(deregister);
  const std::vector<Refused> table = {
      {"unknown cluster", [](RunTask& c) { c.request.set_cluster("nowhere"); }, Errc::NotFound,
       Subject::Cluster, "Cluster not found."},
      {"unknown definition", [](RunTask& c) { c.request.set_task_definition("none"); },
       Errc::NotFound, Subject::TaskDefinition, "TaskDefinition not found."},
      {"unknown revision", [](RunTask& c) { c.request.set_task_definition("web:9"); },
       Errc::NotFound, Subject::TaskDefinition, "TaskDefinition not found."},
      {"inactive definition", [](RunTask& c) { c.request.set_task_definition("old:1"); },
       Errc::Precondition, Subject::TaskDefinition, "TaskDefinition is inactive"},
      {"inactive family", [](RunTask& c) { c.request.set_task_definition("old"); }, Errc::NotFound,
       Subject::TaskDefinition, "TaskDefinition not found."},
      {"count", [](RunTask& c) { c.request.set_count(11); }, Errc::Invalid, Subject::Request,
       "count"},
      {"both ways",
       [](RunTask& c) {
         c.request.set_launch_type("EC2");
         c.request.add_capacity_provider_strategy()->set_capacity_provider("hosts");
       },
       Errc::Invalid, Subject::Request, "both a launch type and a capacity provider"},
      {"provider of another cluster",
       [](RunTask& c) {
         c.request.add_capacity_provider_strategy()->set_capacity_provider("hosts");
       },
       Errc::Invalid, Subject::Request, "'hosts' is not associated with the cluster"},
      {"launch type the definition excludes",
       [](RunTask& c) { c.request.set_launch_type("FARGATE"); }, Errc::Invalid, Subject::Request,
       "Task definition does not support launch_type FARGATE."},
      {"tags of a service", [](RunTask& c) { c.request.set_propagate_tags("SERVICE"); },
       Errc::Invalid, Subject::Request, "propagateTags"},
      {"volumes", [](RunTask& c) { c.request.add_volume_configurations()->set_name("v"); },
       Errc::Unimplemented, Subject::Feature, "volumeConfigurations: "},
      {"expression",
       [](RunTask& c) {
         auto* constraint = c.request.add_placement_constraints();
         constraint->set_type("memberOf");
         constraint->set_expression("attribute:x ==");
       },
       Errc::Invalid, Subject::Request, ""},
      {"strategy", [](RunTask& c) { c.request.add_placement_strategy()->set_type("sideways"); },
       Errc::Invalid, Subject::Request, ""},
  };
  const std::size_t before = core->state().tasks().size();
  for (const Refused& refused : table) {
    SCOPED_TRACE(refused.name);
    RunTask command = run_task();
    refused.change(command);
    const auto asked = ask(command);
    ASSERT_TRUE(asked->done());
    ASSERT_FALSE(*asked->answer);
    EXPECT_EQ(asked->error().code, refused.code);
    EXPECT_EQ(asked->error().subject, refused.subject);
    EXPECT_THAT(asked->error().message, HasSubstr(refused.message));
  }
  EXPECT_EQ(core->state().tasks().size(), before);
}

TEST_F(RunTaskTest, SaysThatThereAreNoInstances) {
  ask(definition());
  const char* text = "No Container Instances were found in your cluster.";
  auto nobody = ask(run_task());
  EXPECT_EQ(nobody->error().message, text) << "no plugin serves EC2";
  EXPECT_EQ(nobody->error().subject, Subject::Request);
  bring_up({});
  auto asked = submit(run_task());
  settle();
  answer_plan();
  ASSERT_TRUE(asked->done());
  EXPECT_EQ(asked->error().message, text);
}

TEST_F(RunTaskTest, PlacesNothingBeforeTheFirstSnapshotAndNothingOnAPluginThatIsDown) {
  ready();
  core->plugin_down(PluginName("ec2"));
  settle();
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().failures.at(0).reason, "AGENT");
  core->plugin_up(ec2());
  auto asked = submit(run_task());
  settle();
  answer_plan();
  EXPECT_EQ(asked->as<RunTaskAnswer>().failures.at(0).reason, "AGENT");
  snapshot({node()});
  settle();
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().tasks.size(), 1u);
}

TEST_F(RunTaskTest, PassesOnAPluginsRefusalWithTheMember) {
  bring_up();
  ask(definition());
  const struct {
    v1::Refusal::Error error;
    Errc code;
    Subject subject;
  } table[] = {{v1::Refusal::ERROR_CLIENT, Errc::Invalid, Subject::Definition},
               {v1::Refusal::ERROR_INVALID_PARAMETER, Errc::Invalid, Subject::Request},
               {v1::Refusal::ERROR_UNSUPPORTED_FEATURE, Errc::Unimplemented, Subject::Feature},
               {v1::Refusal::ERROR_PLATFORM_UNKNOWN, Errc::NotFound, Subject::Platform},
               {v1::Refusal::ERROR_PLATFORM_INCOMPATIBLE, Errc::Precondition, Subject::Platform}};
  for (const auto& row : table) {
    RunTask command = run_task();
    command.request.mutable_overrides()->set_cpu(std::to_string(row.error));  // a plan of its own
    auto asked = submit(command);
    settle();
    v1::PlanResponse plan;
    plan.add_refusals()->set_member("containerDefinitions[0].links");
    plan.mutable_refusals(0)->set_message("Links cannot be made.");
    plan.mutable_refusals(0)->set_error(row.error);
    answer(v1::METHOD_LAUNCH_PLAN, plan);
    ASSERT_TRUE(asked->done());
    EXPECT_EQ(asked->error().code, row.code);
    EXPECT_EQ(asked->error().subject, row.subject);
    const bool ecs_words = row.error == v1::Refusal::ERROR_INVALID_PARAMETER ||
                           row.error == v1::Refusal::ERROR_PLATFORM_UNKNOWN;
    EXPECT_EQ(asked->error().message, ecs_words
                                          ? "Links cannot be made."  // as they are
                                          : "containerDefinitions[0].links: Links cannot be made.");
    EXPECT_EQ(asked->error().what, "containerDefinitions[0].links");
  }
}

TEST_F(RunTaskTest, RefusesAPlanThatPlacementCannotCount) {
  bring_up();
  ask(definition());
  auto asked = submit(run_task());
  settle();
  answer_plan(-5, 1);
  EXPECT_EQ(asked->error().code, Errc::Internal);
  EXPECT_EQ(asked->error().subject, Subject::Plugin);
}

TEST_F(RunTaskTest, ReservesNothingWhilePlansAreAwaitedAndLooksAgainAtTheCluster) {
  bring_up();
  ask(definition());
  CreateCluster create;
  create.request.set_cluster_name("other");
  ask(create);
  RunTask command = run_task();
  command.request.set_cluster("other");
  auto asked = submit(command);
  settle();
  EXPECT_TRUE(core->state().tasks().empty());
  DeleteCluster remove;
  remove.request.set_cluster("other");
  EXPECT_TRUE(*ask(remove)->answer);
  answer_plan();
  EXPECT_EQ(asked->error().message, "Cluster not found.");
}

TEST_F(RunTaskTest, CarriesGroupStarterTagsAndOverrides) {
  ready();
  RegisterTaskDefinition tagged = definition("tagged");
  tagged.request.add_tags()->set_key("team");
  tagged.request.mutable_tags(0)->set_value("blue");
  tagged.request.add_tags()->set_key("level");
  tagged.request.mutable_tags(1)->set_value("definition");
  ask(tagged);
  RunTask command = run_task(1, "tagged:1");
  command.request.set_group("batch");
  command.request.set_started_by("cron/7");
  command.request.set_propagate_tags("TASK_DEFINITION");
  command.request.set_enable_ecs_managed_tags(true);
  command.request.add_tags()->set_key("level");
  command.request.mutable_tags(0)->set_value("call");
  command.request.mutable_overrides()->add_container_overrides()->set_name("main");
  auto asked = submit(command);
  settle();
  answer_plan();
  const Launch& launch = *asked->as<RunTaskAnswer>().tasks.at(0)->launch;
  EXPECT_EQ(launch.group, "batch");
  EXPECT_EQ(launch.started_by, "cron/7");
  EXPECT_EQ(launch.overrides.container_overrides(0).name(), "main");
  std::map<std::string, std::string> tags;
  for (const auto& tag : launch.tags) tags[tag.key()] = tag.value();
  EXPECT_EQ(tags, (std::map<std::string, std::string>{
                      {"level", "call"}, {"team", "blue"}, {"aws:ecs:clusterName", "default"}}));
}

TEST_F(RunTaskTest, HonoursConstraintsOfDefinitionAndCall) {
  v1::Node left = node(kNode);
  left.add_attributes()->set_name("side");
  left.mutable_attributes(0)->set_value("left");
  v1::Node right = node(kNode2);
  right.add_attributes()->set_name("side");
  right.mutable_attributes(0)->set_value("right");
  ready({left, right});
  RegisterTaskDefinition picky = definition("picky");
  picky.request.add_placement_constraints()->set_type("memberOf");
  picky.request.mutable_placement_constraints(0)->set_expression("attribute:side == right");
  ask(picky);
  RunTask command = run_task(2, "picky");
  command.request.add_placement_constraints()->set_type("distinctInstance");
  auto asked = submit(command);
  settle();
  answer_plan();
  const auto& answer = asked->as<RunTaskAnswer>();
  ASSERT_EQ(answer.tasks.size(), 1u);
  EXPECT_EQ(answer.tasks[0]->node.str(), kNode2);
  EXPECT_EQ(answer.failures.size(), 2u);
}

TEST_F(RunTaskTest, GivesFixedPortsToOneTaskANode) {
  bring_up();
  ask(definition());
  auto asked = submit(run_task(2));
  settle();
  v1::PlanResponse plan;
  v1::Port* port = plan.mutable_requirement()->add_ports();
  port->set_number(8080);
  port->set_protocol(v1::Port::PROTOCOL_TCP);
  answer(v1::METHOD_LAUNCH_PLAN, plan);
  const auto& answer = asked->as<RunTaskAnswer>();
  EXPECT_EQ(answer.tasks.size(), 1u);
  EXPECT_EQ(answer.failures.at(0).reason, "RESOURCE:PORTS");
}

TEST_F(RunTaskTest, SplitsOverCapacityProvidersByBaseAndWeight) {
  using Parts = std::vector<int>;
  EXPECT_EQ(split(10, {{0, 1}}), Parts({10}));
  EXPECT_EQ(split(10, {{1, 1}, {0, 2}}), Parts({4, 6}));
  EXPECT_EQ(split(3, {{5, 1}, {0, 1}}), Parts({3, 0}));
  EXPECT_EQ(split(4, {{0, 0}, {0, 3}}), Parts({0, 4}));
  EXPECT_EQ(split(2, {{0, 0}, {0, 0}}), Parts({2, 0}));
}

TEST_F(RunTaskTest, RefusesAStrategyThatNamesNoShare) {
  ready();
  const auto refused = [&](int base, int weight) {
    RunTask command = run_task();
    for (int i = 0; i < 2; ++i) {
      auto* item = command.request.add_capacity_provider_strategy();
      item->set_capacity_provider("hosts");
      item->set_base(base);
      item->set_weight(weight);
    }
    return ask(command)->error().message;
  };
  EXPECT_THAT(refused(0, 0), HasSubstr("weight above 0"));
  EXPECT_THAT(refused(1, 1), HasSubstr("more than once"));
}

TEST_F(RunTaskTest, GoesToTheCapacityProviderThatIsAskedFor) {
  bring_up();
  ask(definition());
  CreateCluster create;
  create.request.set_cluster_name("pool");
  create.request.add_capacity_providers("hosts");
  ask(create);
  v1::Node provided = node(kNode2);
  provided.set_cluster("pool");
  provided.set_capacity_provider("hosts");
  v1::Node plain = node("0123456789abcdef0123456789abcdef");
  plain.set_cluster("pool");
  snapshot({node(), provided, plain}, 2);
  RunTask command = run_task();
  command.request.set_cluster("pool");
  command.request.add_capacity_provider_strategy()->set_capacity_provider("hosts");
  auto asked = submit(command);
  settle();
  answer_plan();
  ASSERT_TRUE(asked->done());
  const auto& task = asked->as<RunTaskAnswer>().tasks.at(0);
  EXPECT_EQ(task->node.str(), kNode2);
  EXPECT_EQ(task->launch->capacity_provider, "hosts");
  EXPECT_EQ(task->launch->launch_type, "EC2");
}

// ---- Client tokens

class ClientTokenTest : public Bench {
 protected:
  static RunTask with_token(const std::string& token, int count = 1) {
    RunTask command = run_task(count);
    command.request.set_client_token(token);
    return command;
  }
};

TEST_F(ClientTokenTest, TheSameRequestGivesTheSameTasksAlsoAfterARestart) {
  ready();
  const auto first = ask(with_token("t", 2))->as<RunTaskAnswer>();
  ASSERT_EQ(first.tasks.size(), 2u);
  const auto again = ask(with_token("t", 2))->as<RunTaskAnswer>();
  ASSERT_EQ(again.tasks.size(), 2u);
  EXPECT_EQ(again.tasks[0]->id, first.tasks[0]->id);
  crash();
  const auto later = ask(with_token("t", 2))->as<RunTaskAnswer>();
  ASSERT_EQ(later.tasks.size(), 2u);
  EXPECT_EQ(later.tasks[1]->id, first.tasks[1]->id);
}

TEST_F(ClientTokenTest, AnotherRequestIsAConflictThatNamesTheTasks) {
  ready();
  const auto first = ask(with_token("t"))->as<RunTaskAnswer>();
  const auto other = ask(with_token("t", 3));
  EXPECT_EQ(other->error().subject, Subject::ClientToken);
  EXPECT_EQ(other->error().code, Errc::AlreadyExists);
  ASSERT_EQ(other->error().ids.size(), 1u);
  EXPECT_THAT(other->error().ids[0], HasSubstr(first.tasks[0]->id.str()));
}

TEST_F(ClientTokenTest, TwoAtOnceMakeOneSetOfTasks) {
  bring_up();
  ask(definition());
  auto one = submit(with_token("t"));
  auto two = submit(with_token("t"));
  auto other = submit(with_token("t", 2));
  settle();
  EXPECT_EQ(other->error().subject, Subject::ClientToken);
  answer_plan();
  EXPECT_EQ(one->as<RunTaskAnswer>().tasks.at(0)->id, two->as<RunTaskAnswer>().tasks.at(0)->id);
  EXPECT_EQ(core->state().tasks().size(), 1u);
}

TEST_F(ClientTokenTest, IsForgottenAfterADay) {
  ready();
  const auto first = ask(with_token("t"))->as<RunTaskAnswer>();
  advance(std::chrono::hours(23));
  EXPECT_EQ(ask(with_token("t"))->as<RunTaskAnswer>().tasks.at(0)->id, first.tasks[0]->id);
  advance(std::chrono::hours(2));
  EXPECT_TRUE(core->state().tokens().empty());
  EXPECT_NE(ask(with_token("t"))->as<RunTaskAnswer>().tasks.at(0)->id, first.tasks[0]->id);
}

TEST_F(ClientTokenTest, IsNotUsedUpByACallThatPlacedNothing) {
  ready({node(kNode, 100, 100)});
  EXPECT_TRUE(ask(with_token("t"))->as<RunTaskAnswer>().tasks.empty());
  snapshot({node()}, 2);
  EXPECT_EQ(ask(with_token("t"))->as<RunTaskAnswer>().tasks.size(), 1u);
}

}  // namespace
}  // namespace berth::control
