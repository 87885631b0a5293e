// SPDX-License-Identifier: Apache-2.0
#include "tests/core/control/services/service_bench.hpp"

namespace berth::control {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ServiceTest : public ServiceBench {};

TEST_F(ServiceTest, ReachesItsDesiredCountAndSaysSo) {
  open();
  const auto made = submit(create("web", 4));
  work();
  ASSERT_TRUE(made->done());
  EXPECT_EQ(made->as<ServicePtr>()->data.status(), "ACTIVE");
  EXPECT_EQ(tasks_of("web").size(), 4u);
  for (const TaskPtr& one : tasks_of("web")) {
    EXPECT_EQ(one->last_status, TaskStatus::Running);
    EXPECT_EQ(one->launch->group, "service:web");
    EXPECT_THAT(one->launch->started_by, StartsWith("ecs-svc/"));
  }
  EXPECT_TRUE(primary("web")->in_progress()) << "none has been healthy yet";
  pass(seconds(40));
  EXPECT_EQ(primary("web")->data.rollout(), model::StoredServiceDeployment::ROLLOUT_COMPLETED);
  EXPECT_EQ(primary("web")->data.status(), "SUCCESSFUL");
  EXPECT_THAT(events_of("web"), Contains("(service web) has reached a steady state."));
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("has started 4 tasks: (task ")));
}

TEST_F(ServiceTest, SpreadsItsTasksOverInstances) {
  open();
  submit(create("web", 4));
  work();
  int first = 0;
  for (const TaskPtr& one : tasks_of("web")) first += one->node.str() == kNode ? 1 : 0;
  EXPECT_EQ(first, 2);
}

TEST_F(ServiceTest, ReplacesATaskThatDiesAndOneThatIsStopped) {
  open();
  submit(create("web", 2));
  work();
  pass(seconds(60));
  say(tasks_of("web")[0]->id, v1::TASK_PHASE_STOPPED);
  work();
  EXPECT_EQ(tasks_of("web").size(), 2u) << "one that had been healthy is replaced at once";
  ask(stop_task(tasks_of("web")[0]->id));
  work();
  EXPECT_EQ(tasks_of("web").size(), 2u);
}

TEST_F(ServiceTest, CreatingItAgainIsIdempotentAndOtherwiseRefused) {
  open();
  submit(create("web", 1));
  work();
  const auto again = ask(create("web", 1));
  EXPECT_EQ(again->as<ServicePtr>()->id.name.str(), "web");
  const auto other = ask(create("web", 2));
  EXPECT_EQ(other->error().message, "Creation of service was not idempotent.");
  CreateService with_token = create("web", 1);
  with_token.request.set_client_token("token");
  EXPECT_TRUE(ask(with_token)->as<ServicePtr>()) << "a token is no other request";
}

TEST_F(ServiceTest, AClientTokenStandsForOneRequest) {
  open();
  CreateService first = create("web", 1);
  first.request.set_client_token("token");
  submit(first);
  work();
  UpdateService more = update("web");
  more.request.set_desired_count(2);
  submit(more);
  work();
  EXPECT_EQ(ask(first)->as<ServicePtr>()->data.desired_count(), 2)
      << "the service is there, whatever became of it";
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  CreateService other = create("api", 1);
  other.request.set_client_token("token");
  EXPECT_EQ(ask(other)->error().message, "Creation of service was not idempotent.");
  EXPECT_FALSE(service("api"));
  ask(remove("web", true));
  work();
  submit(first);
  work();
  EXPECT_TRUE(service("web")->active()) << "what it had made was gone";
}

TEST_F(ServiceTest, NoMoreTasksAreProtectedThanItIsToHave) {
  open();
  submit(create("web", 2));
  work();
  pass(seconds(60));
  UpdateService next = update("web");
  next.request.set_task_definition("web:2");
  submit(next);
  work();
  std::vector<TaskPtr> tasks = tasks_of("web");
  ASSERT_EQ(tasks.size(), 4u);
  const auto protect = [&](int at) {
    return ask(UpdateTaskProtection{ClusterName("default"),
                                    {tasks[static_cast<std::size_t>(at)]->id.str()},
                                    minutes(10)})
        ->as<ProtectionAnswer>();
  };
  EXPECT_EQ(protect(0).tasks.size(), 1u);
  EXPECT_EQ(protect(1).tasks.size(), 1u);
  const ProtectionAnswer blocked = protect(2);
  ASSERT_EQ(blocked.failures.size(), 1u);
  EXPECT_EQ(blocked.failures[0].reason, "DEPLOYMENT_BLOCKED");
  EXPECT_EQ(protect(0).tasks.size(), 1u) << "what is protected may be so for longer";
}

TEST_F(ServiceTest, RefusesWhatThePluginCanNeverRun) {
  open();
  const auto made = submit(create("web", 1));
  settle();
  v1::PlanResponse plan;
  v1::Refusal* refusal = plan.add_refusals();
  refusal->set_member("networkMode");
  refusal->set_message("it cannot be");
  refusal->set_error(v1::Refusal::ERROR_CLIENT);
  answer(v1::METHOD_LAUNCH_PLAN, plan);
  ASSERT_TRUE(made->done());
  EXPECT_THAT(made->error().message, HasSubstr("networkMode"));
  EXPECT_FALSE(service("web"));
}

TEST_F(ServiceTest, WaitsForInstancesAndGoesOnWhenTheyCome) {
  core->plugin_up(ec2());
  settle();
  ask(definition());
  const auto made = submit(create("web", 2));
  work();
  ASSERT_TRUE(made->done());
  EXPECT_EQ(tasks_of("web").size(), 0u);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("No Container Instances were found")));
  snapshot({node()});
  work();
  EXPECT_EQ(tasks_of("web").size(), 2u) << "no time has passed";
}

TEST_F(ServiceTest, FillsThePlacesThatBecomeFree) {
  open({node(kNode, 512, 4096)});
  submit(create("web", 3));
  work();
  EXPECT_EQ(tasks_of("web").size(), 2u);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("has insufficient CPU units available")));
  const std::size_t said = events_of("web").size();
  ask(stop_task(tasks_of("web")[0]->id));
  work();
  EXPECT_EQ(tasks_of("web").size(), 2u) << "the place is taken again";
  pass(minutes(5));
  EXPECT_LT(events_of("web").size(), said + 5) << "what is known is not said again and again";
}

TEST_F(ServiceTest, IsScaledOutAndIn) {
  open();
  submit(create("web", 2));
  work();
  pass(seconds(60));
  UpdateService more = update("web");
  more.request.set_desired_count(6);
  submit(more);
  work();
  EXPECT_EQ(tasks_of("web").size(), 6u);
  EXPECT_EQ(current_deployments("web"), 1) << "a count is no new deployment";
  pass(seconds(60));
  more.request.set_desired_count(2);
  submit(more);
  work();
  ASSERT_EQ(tasks_of("web").size(), 2u);
  EXPECT_NE(tasks_of("web")[0]->node, tasks_of("web")[1]->node) << "what stays is spread";
}

TEST_F(ServiceTest, ScalesInAroundProtectedTasks) {
  open();
  submit(create("web", 3));
  work();
  pass(seconds(60));
  const TaskId kept = tasks_of("web")[1]->id;
  UpdateTaskProtection protect{ClusterName("default"), {kept.str()}, minutes(10)};
  EXPECT_EQ(ask(protect)->as<ProtectionAnswer>().tasks.size(), 1u);
  UpdateService less = update("web");
  less.request.set_desired_count(0);
  submit(less);
  work();
  ASSERT_EQ(tasks_of("web").size(), 1u);
  EXPECT_EQ(tasks_of("web")[0]->id, kept);
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("protected tasks")));
  pass(minutes(11));
  EXPECT_EQ(tasks_of("web").size(), 0u) << "protection has an end";
}

TEST_F(ServiceTest, IsDeletedOnceItsTasksHaveStopped) {
  open();
  submit(create("web", 2));
  work();
  const auto refused = ask(remove("web"));
  EXPECT_EQ(refused->error().message, "The service cannot be stopped while it is scaled above 0.");
  const auto gone = submit(remove("web", true));
  settle();
  EXPECT_EQ(gone->as<ServicePtr>()->data.status(), "DRAINING");
  EXPECT_EQ(ask(create("web", 2))->error().message,
            "Unable to Start a service that is still Draining.");
  EXPECT_EQ(ask(update("web"))->error().message, "Service was not ACTIVE.");
  work();
  EXPECT_EQ(service("web")->data.status(), "INACTIVE");
  submit(create("web", 1));
  work();
  EXPECT_EQ(tasks_of("web").size(), 1u) << "the name is free again";
}

TEST_F(ServiceTest, AnInactiveServiceIsForgottenAfterAWhile) {
  open();
  submit(create("web", 0));
  work();
  submit(remove("web"));
  work();
  ASSERT_TRUE(service("web")->inactive());
  pass(minutes(59));
  EXPECT_TRUE(service("web"));
  crash();
  pass(minutes(2));
  EXPECT_FALSE(service("web"));
}

TEST_F(ServiceTest, SurvivesARestartWithItsCounts) {
  open();
  submit(create("web", 3));
  work();
  pass(seconds(60));
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  EXPECT_EQ(tasks_of("web").size(), 3u) << "none is started twice";
  EXPECT_EQ(starts.size(), 3u);
  say(tasks_of("web")[0]->id, v1::TASK_PHASE_STOPPED);
  work();
  EXPECT_EQ(tasks_of("web").size(), 3u);
}

TEST_F(ServiceTest, StartsNothingOnceItRestsIsAnswered) {
  open();
  submit(create("web", 2));
  work();
  ASSERT_EQ(tasks_of("web").size(), 2u);
  pass(seconds(60));  // healthy, so that what ends is replaced at once
  EXPECT_TRUE(*ask(RestServices{})->answer);
  say(tasks_of("web")[0]->id, v1::TASK_PHASE_STOPPED);
  work();
  EXPECT_EQ(starts.size(), 2u);
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  EXPECT_EQ(starts.size(), 3u) << "the next start ends the rest";
}

TEST_F(ServiceTest, CanRestFromTheFirstTick) {
  open();
  submit(create("web", 2));
  work();
  pass(seconds(60));
  ask(RestServices{});
  say(tasks_of("web")[0]->id, v1::TASK_PHASE_STOPPED);
  crash();
  core->rest_services();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  EXPECT_EQ(starts.size(), 2u);
}

TEST_F(ServiceTest, IsScaledInEvenlyAfterARestartToo) {
  open();
  submit(create("web", 4));
  work();
  pass(seconds(60));
  crash();
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  work();
  UpdateService less = update("web");
  less.request.set_desired_count(2);
  submit(less);
  work();
  ASSERT_EQ(tasks_of("web").size(), 2u);
  EXPECT_NE(tasks_of("web")[0]->node, tasks_of("web")[1]->node);
}

TEST_F(ServiceTest, AnswersOnlyWhatIsDurable) {
  open();
  submit(create("web", 1));
  work();
  const auto second = submit(create("other", 1));
  core->tick(now);
  EXPECT_FALSE(second->done());
  crash();
  EXPECT_FALSE(service("other"));
}

TEST_F(ServiceTest, TagsItsTasksAsItIsTold) {
  open();
  CreateService tagged = create("web", 1);
  tagged.request.set_propagate_tags("SERVICE");
  tagged.request.set_enable_ecs_managed_tags(true);
  ecs::Tag* tag = tagged.request.add_tags();
  tag->set_key("team");
  tag->set_value("a");
  submit(tagged);
  work();
  std::set<std::string> keys;
  for (const ecs::Tag& one : tasks_of("web").at(0)->launch->tags) keys.insert(one.key());
  EXPECT_EQ(keys, (std::set<std::string>{"team", "aws:ecs:clusterName", "aws:ecs:serviceName"}));
}

TEST_F(ServiceTest, PropagatesTheTagsOfTheTaskDefinitionThatEachTaskIsOf) {
  bring_up({node(kNode, 4096, 4096), node(kNode2, 4096, 4096)});
  const auto tag = [](auto& request, const std::string& key, const std::string& value) {
    ecs::Tag* one = request.add_tags();
    one->set_key(key);
    one->set_value(value);
  };
  for (const char* revision : {"1", "2"}) {
    RegisterTaskDefinition tagged = definition();
    tag(tagged.request, "revision", revision);
    ask(tagged);
  }
  CreateService made = create("web", 1);
  made.request.set_propagate_tags("TASK_DEFINITION");
  tag(made.request, "team", "a");
  submit(made);
  work();
  const auto tags = [&](int revision) {
    std::map<std::string, std::string> all;
    for (const ecs::Tag& one : tasks_of("web", revision).at(0)->launch->tags) {
      all[one.key()] = one.value();
    }
    return all;
  };
  using Tags = std::map<std::string, std::string>;
  EXPECT_EQ(tags(1), (Tags{{"revision", "1"}})) << "not the service's own";
  UpdateService next = update("web");
  next.request.set_task_definition("web:2");
  submit(next);
  work();
  EXPECT_EQ(tags(2), (Tags{{"revision", "2"}}));
  EXPECT_EQ(tags(1), (Tags{{"revision", "1"}}));

  // From then on, for new tasks only.
  UpdateService none = update("web");
  none.request.set_propagate_tags("NONE");
  ask(none);
  pass(seconds(60));
  ask(stop_task(tasks_of("web", 2)[0]->id));
  work();
  EXPECT_EQ(tags(2), Tags());
}

TEST_F(ServiceTest, KeepsAClusterFromBeingDeleted) {
  open();
  submit(create("web", 0));
  work();
  DeleteCluster command;
  command.request.set_cluster("default");
  snapshot({}, 9);
  settle();
  EXPECT_EQ(ask(command)->error().what, "services");
}

TEST_F(ServiceTest, TasksThatExitEarlyAreRestartedMoreAndMoreSlowly) {
  open();
  submit(create("web", 1));
  work();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(tasks_of("web").size(), 1u);
    say(tasks_of("web")[0]->id, v1::TASK_PHASE_STOPPED);
    work();
    EXPECT_EQ(tasks_of("web").size(), 0u);
    pass(seconds(1 << i) - milliseconds(1));
    EXPECT_EQ(tasks_of("web").size(), 0u) << "after " << i;
    pass(milliseconds(1));
  }
  EXPECT_THAT(events_of("web"), Contains(HasSubstr("unable to consistently start tasks")));
  EXPECT_EQ(primary("web")->data.failed_tasks(), 5);
  pass(seconds(60));
  EXPECT_EQ(primary("web")->data.failed_tasks(), 0) << "one became healthy";
}

}  // namespace
}  // namespace berth::control
