// SPDX-License-Identifier: Apache-2.0
// Capacity providers: which a cluster has, how strategies divide tasks, and who gives way.
#include <map>
#include <tuple>

#include "tests/core/control/pool_bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;

class ProvidersTest : public PoolBench {
 protected:
  using Items = std::vector<std::tuple<std::string, int, int>>;  // provider, weight, base
  template <typename Request>
  static void by(Request& request, const Items& items) {
    for (const auto& [provider, weight, base] : items) {
      auto& item = *request.add_capacity_provider_strategy();
      item.set_capacity_provider(provider);
      item.set_weight(weight);
      item.set_base(base);
    }
  }
  static PutClusterProviders put(const std::vector<std::string>& names) {
    PutClusterProviders command;
    command.request.set_cluster("default");
    command.request.mutable_capacity_providers()->Assign(names.begin(), names.end());
    return command;
  }
  void open_with_providers(std::vector<v1::Node> nodes) {
    open(std::move(nodes));
    EXPECT_FALSE(ask(put({"FARGATE", "FARGATE_SPOT"}))->failed());
  }
  static RunTask by_strategy(int count, const Items& items) {
    RunTask command = run_task(count);
    by(command.request, items);
    return command;
  }
  static void by_default(PutClusterProviders& command, const std::string& provider) {
    auto& item = *command.request.add_default_capacity_provider_strategy();
    item.set_capacity_provider(provider);
    item.set_weight(1);
  }
  // A plan for hosts of this architecture alone.
  RunTaskAnswer ran_on(const std::string& architecture, RunTask command, std::int64_t cpu) {
    auto asked = ask(std::move(command));
    while (!asked->done() && plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) {
      v1::PlanResponse plan;
      plan.mutable_requirement()->set_cpu(cpu);
      plan.mutable_requirement()->set_memory_mib(512);
      auto& attribute = *plan.mutable_requirement()->add_attributes();
      attribute.set_name("ecs.cpu-architecture");
      attribute.set_value(architecture);
      answer(v1::METHOD_LAUNCH_PLAN, plan);
    }
    return asked->as<RunTaskAnswer>();
  }
  static v1::Node built(const std::string& id, const std::string& architecture) {
    v1::Node out = zoned(id, "a");
    auto& attribute = *out.add_attributes();
    attribute.set_name("ecs.cpu-architecture");
    attribute.set_value(architecture);
    return out;
  }
  void open_service(const std::string& name, int desired, const Items& items) {
    CreateService command;
    command.request.set_service_name(name);
    command.request.set_desired_count(desired);
    command.request.set_task_definition("web:1");
    by(command.request, items);
    EXPECT_FALSE(submit(command)->failed());
    settle();
    while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(256, 512);
  }
  // Its containers have ended, as those of each task that was told to stop.
  void end_interrupted() {
    std::vector<TaskPtr> ending;
    for (const auto& [id, task] : core->state().tasks()) {
      const bool ends = task->desired_status == DesiredStatus::Stopped &&
                        task->last_status != TaskStatus::Stopped;
      if (ends) ending.push_back(task);
    }
    for (const TaskPtr& task : ending) {
      v1::TaskReport end = report_of(task->id, ++sequence_, v1::TASK_PHASE_STOPPED);
      end.set_node_id(task->node.str());
      report(end);
    }
  }
  std::map<std::string, int> running_by_provider() {
    std::map<std::string, int> counts;
    for (const auto& [id, task] : core->state().tasks()) {
      const bool runs = task->desired_status == DesiredStatus::Running;
      if (runs) ++counts[task->launch->capacity_provider];
    }
    return counts;
  }

 private:
  std::uint64_t sequence_ = 100;
};

TEST_F(ProvidersTest, AreThoseOfThePlugins) {
  open({});
  EXPECT_THAT(ask(ListProviders{})->as<ProvidersAnswer>().names,
              ElementsAre("FARGATE", "FARGATE_SPOT"));
  const auto cluster = ask(put({"FARGATE"}))->as<ClusterPtr>();
  EXPECT_THAT(cluster->capacity_providers, ElementsAre("FARGATE"));
  EXPECT_EQ(ask(put({"nobody"}))->error().message,
            "The specified capacity provider 'nobody' was not found.");
  PutClusterProviders stranger = put({"FARGATE"});
  by_default(stranger, "FARGATE_SPOT");
  EXPECT_EQ(ask(stranger)->error().what, "defaultCapacityProviderStrategy");
}

TEST_F(ProvidersTest, DivideTheTasksOfACallByBaseAndWeight) {
  open_with_providers({zoned("a1", "a", 8192)});
  const auto answer = ran(by_strategy(8, {{"FARGATE", 1, 2}, {"FARGATE_SPOT", 2, 0}}));
  EXPECT_EQ(answer.tasks.size(), 8u);
  EXPECT_EQ(answer.tasks[0]->launch->launch_type, "FARGATE");
  EXPECT_EQ(running_by_provider(),
            (std::map<std::string, int>{{"FARGATE", 4}, {"FARGATE_SPOT", 4}}));
}

TEST_F(ProvidersTest, OfTheClustersDefaultServeCallsThatNameNone) {
  open({zoned("a1", "a", 8192)});
  PutClusterProviders command = put({"FARGATE", "FARGATE_SPOT"});
  by_default(command, "FARGATE_SPOT");
  ask(command);
  EXPECT_EQ(ran(run_task()).tasks.at(0)->launch->capacity_provider, "FARGATE_SPOT");
  EXPECT_EQ(ran(on_pool()).tasks.at(0)->launch->capacity_provider, "");
}

TEST_F(ProvidersTest, ThatHaveTasksAreNotTakenFromTheirCluster) {
  open_with_providers({zoned("a1", "a")});
  ran(by_strategy(1, {{"FARGATE_SPOT", 1, 0}}));
  const auto refused = ask(put({"FARGATE"}));
  EXPECT_EQ(refused->error().subject, Subject::InUse);
  EXPECT_FALSE(ask(put({"FARGATE_SPOT"}))->failed());
}

TEST_F(ProvidersTest, OfAServiceKeepTheirSharesAsItGrows) {
  open_with_providers({zoned("a1", "a", 16384)});
  open_service("web", 3, {{"FARGATE", 1, 1}, {"FARGATE_SPOT", 1, 0}});
  EXPECT_EQ(running_by_provider(),
            (std::map<std::string, int>{{"FARGATE", 2}, {"FARGATE_SPOT", 1}}));
  UpdateService more;
  more.request.set_service("web");
  more.request.set_desired_count(7);
  EXPECT_FALSE(ask(more)->failed());
  EXPECT_EQ(running_by_provider(),
            (std::map<std::string, int>{{"FARGATE", 4}, {"FARGATE_SPOT", 3}}));
}

TEST_F(ProvidersTest, SpotTasksGiveWayToOthersThatNeedTheRoom) {
  open_with_providers({zoned("a1", "a"), zoned("b1", "b")});
  const auto spot = ran(by_strategy(8, {{"FARGATE_SPOT", 1, 0}}));
  ASSERT_EQ(spot.tasks.size(), 8u);
  const auto refused = ran(on_pool(2));
  EXPECT_EQ(refused.failures.size(), 2u) << "the room is not there yet";
  int interrupted = 0;
  for (const TaskPtr& before : spot.tasks) {
    const TaskPtr task = core->state().task(before->id);
    if (task->desired_status == DesiredStatus::Running) continue;
    ++interrupted;
    EXPECT_EQ(task->stop_code, StopCode::SpotInterruption);
    EXPECT_EQ(task->stopped_reason, "Your Spot Task was interrupted.");
  }
  EXPECT_EQ(interrupted, 2) << "one for each task that found no place";
  ran(on_pool(2));
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 6) << "room on its way is asked for once";
}

TEST_F(ProvidersTest, SpotTasksGiveWayToNoOtherSpotTask) {
  open_with_providers({zoned("a1", "a")});
  ran(by_strategy(4, {{"FARGATE_SPOT", 1, 0}}));
  EXPECT_EQ(ran(by_strategy(1, {{"FARGATE_SPOT", 1, 0}})).failures.size(), 1u);
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 4);
}

TEST_F(ProvidersTest, RoomThatWasMadeIsKeptForWhoItWasMadeFor) {
  open_with_providers({zoned("a1", "a")});
  open_service("spare", 4, {{"FARGATE_SPOT", 1, 0}});
  ASSERT_EQ(running_by_provider()["FARGATE_SPOT"], 4);
  EXPECT_EQ(ran(on_pool()).failures.size(), 1u);
  end_interrupted();
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 3) << "its service does not take the room back";
  EXPECT_EQ(ran(by_strategy(1, {{"FARGATE_SPOT", 1, 0}})).failures.size(), 1u);
  EXPECT_EQ(ran(on_pool()).tasks.size(), 1u);
  EXPECT_EQ(running_by_provider(), (std::map<std::string, int>{{"", 1}, {"FARGATE_SPOT", 3}}));
}

TEST_F(ProvidersTest, RoomThatNobodyComesForIsGivenBack) {
  open_with_providers({zoned("a1", "a")});
  open_service("spare", 4, {{"FARGATE_SPOT", 1, 0}});
  ran(on_pool());
  end_interrupted();
  advance(std::chrono::minutes(2));
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 3);
  advance(std::chrono::minutes(2));
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 4);
}

TEST_F(ProvidersTest, AServiceOnDemandTakesTheRoomAsSoonAsItIsThere) {
  open_with_providers({zoned("a1", "a")});
  open_service("a-spare", 4, {{"FARGATE_SPOT", 1, 0}});
  open_service("web", 2, {{"FARGATE", 1, 0}});
  EXPECT_EQ(running_by_provider(), (std::map<std::string, int>{{"FARGATE_SPOT", 2}}));
  end_interrupted();
  EXPECT_EQ(running_by_provider(),
            (std::map<std::string, int>{{"FARGATE", 2}, {"FARGATE_SPOT", 2}}));
}

TEST_F(ProvidersTest, TasksThatHaveNotBegunGiveWayWithoutAWord) {
  open_with_providers({zoned("a1", "a")});
  ran(by_strategy(1, {{"FARGATE_SPOT", 1, 0}}));  // plans are known from now on
  ran(on_pool());
  advance(std::chrono::seconds(1));
  const int starts = plugins.count(v1::METHOD_LAUNCH_START);
  const auto spot = submit(by_strategy(2, {{"FARGATE_SPOT", 1, 0}}));
  const auto other = submit(on_pool(2));
  settle();
  EXPECT_EQ(spot->as<RunTaskAnswer>().tasks.size(), 2u);
  EXPECT_EQ(other->as<RunTaskAnswer>().failures.size(), 2u);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_START), starts) << "nobody heard of them";
  EXPECT_EQ(ran(on_pool(2)).tasks.size(), 2u);
  EXPECT_EQ(running_by_provider(), (std::map<std::string, int>{{"", 3}, {"FARGATE_SPOT", 1}}));
}

TEST_F(ProvidersTest, OfSpotTasksNoneGoesInVain) {
  open_with_providers({zoned("a1", "a")});
  RunTask large = by_strategy(1, {{"FARGATE_SPOT", 1, 0}});
  large.request.mutable_overrides()->set_cpu("768");
  const TaskId oldest = ran(large, 768).tasks.at(0)->id;
  advance(std::chrono::seconds(1));
  const TaskId newest = ran(by_strategy(1, {{"FARGATE_SPOT", 1, 0}})).tasks.at(0)->id;
  RunTask wanted = on_pool();
  wanted.request.mutable_overrides()->set_cpu("512");
  EXPECT_EQ(ran(wanted, 512).failures.size(), 1u);
  EXPECT_EQ(task(oldest)->desired_status, DesiredStatus::Stopped);
  EXPECT_EQ(task(newest)->desired_status, DesiredStatus::Running) << "the large one is enough";
}

TEST_F(ProvidersTest, SpotTasksStayWhereTheirRoomIsOfNoUse) {
  open_with_providers({built("arm", "arm64")});
  EXPECT_EQ(ran_on("arm64", by_strategy(1, {{"FARGATE_SPOT", 1, 0}}), 1024).tasks.size(), 1u);
  EXPECT_EQ(ran_on("x86_64", on_pool(), 1024).failures.size(), 1u);
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 1);
}

TEST_F(ProvidersTest, SpotTasksStayWhereTheirRoomIsNotEnough) {
  open_with_providers({zoned("a1", "a")});
  ran(by_strategy(2, {{"FARGATE_SPOT", 1, 0}}));
  RunTask giant = on_pool();
  giant.request.mutable_overrides()->set_cpu("4096");
  EXPECT_EQ(ran(giant, 4096).failures.size(), 1u);
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 2);
}

TEST_F(ProvidersTest, OfAServiceChangeWithANewDeploymentOnly) {
  open_with_providers({zoned("a1", "a", 8192)});
  open_service("web", 2, {{"FARGATE", 1, 0}});
  UpdateService change;
  change.request.set_service("web");
  by(change.request, {{"FARGATE_SPOT", 1, 0}});
  change.present = {"capacityProviderStrategy"};
  EXPECT_THAT(ask(change)->error().message,
              ::testing::EndsWith("you must force a new deployment."));
  change.request.set_force_new_deployment(true);
  auto asked = ask(change);
  while (plugins.count(v1::METHOD_LAUNCH_PLAN) > 0) answer_plan(256, 512);
  ASSERT_FALSE(asked->failed());
  const ServicePtr service = asked->as<ServicePtr>();
  EXPECT_EQ(service->data.capacity_provider_strategy(0).capacity_provider(), "FARGATE_SPOT");
  EXPECT_EQ(running_by_provider()["FARGATE_SPOT"], 2);
}

TEST_F(ProvidersTest, OfAStrategyGoTogetherOrAreRefused) {
  open_with_providers({zoned("a1", "a")});
  const auto refused = [&](const Items& items) {
    const auto asked = ask(by_strategy(1, items));
    EXPECT_EQ(asked->error().what, "capacityProviderStrategy");
    return asked->error().message;
  };
  EXPECT_EQ(refused({{"FARGATE", 1, 1}, {"FARGATE_SPOT", 1, 1}}),
            "Only one capacity provider of a capacity provider strategy may have a base.");
  EXPECT_EQ(refused({{"FARGATE", 0, 0}, {"FARGATE_SPOT", 0, 0}}),
            "At least one capacity provider of a capacity provider strategy must have a weight "
            "above 0.");
  EXPECT_EQ(refused({{"FARGATE", 1, 0}, {"FARGATE", 2, 0}}),
            "The capacity provider 'FARGATE' is more than once in the capacity provider strategy.");
  ask(put({"FARGATE"}));
  EXPECT_EQ(refused({{"FARGATE_SPOT", 1, 0}}),
            "The capacity provider 'FARGATE_SPOT' is not associated with the cluster.");
}

}  // namespace
}  // namespace berth::control
