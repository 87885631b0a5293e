// SPDX-License-Identifier: Apache-2.0
// What every launch type owes the core, asked of each plugin through the real table.
#include <gmock/gmock.h>

#include "tests/contract/harness.hpp"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

const std::string kTask(32, 'a');

struct Plugin {
  const char* name;
  const char* path;
};
void PrintTo(const Plugin& plugin, std::ostream* out) {
  *out << plugin.name;
}

class LaunchContract : public ::testing::TestWithParam<Plugin> {
 protected:
  LaunchContract() : plugin(GetParam().path) {}

  // One container: for the plugins with processes its command counts, for those without its image.
  v1::StartTaskRequest task(const std::string& image, const std::string& script) {
    v1::StartTaskRequest request;
    request.set_task_id(kTask);
    request.set_cluster("default");
    request.set_node_id(plugin.snapshots.at(0).nodes(0).id());
    auto& container = *request.mutable_definition()->add_container_definitions();
    container.set_name("main");
    container.set_image(image);
    container.set_cpu(64);
    container.set_memory(32);
    for (const auto& word : {std::string("/bin/sh"), std::string("-c"), script}) {
      container.add_command(word);
    }
    return request;
  }
  v1::StartTaskRequest endless() { return task("forever", "exec sleep 1000"); }

  // A test that fails leaves no process behind.
  void TearDown() override {
    if (!started_) return;
    plugin.until([&] { return plugin.report(kTask).has_value(); });
    const auto newest = plugin.report(kTask);
    if (!newest || newest->phase() == v1::TASK_PHASE_STOPPED) return;
    EXPECT_TRUE(stop(kTask, true));
    EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  }

  Result<v1::Empty> start(const v1::StartTaskRequest& request) {
    started_ = true;
    return plugin.call<v1::Empty>(v1::METHOD_LAUNCH_START, request);
  }
  Result<v1::Empty> stop(const std::string& id, bool force = false) {
    v1::StopTaskRequest request;
    request.set_task_id(id);
    request.set_reason("asked");
    request.set_force(force);
    return plugin.call<v1::Empty>(v1::METHOD_LAUNCH_STOP, request);
  }
  void forget(const std::string& id) {
    v1::ForgetTasksRequest request;
    request.add_task_ids(id);
    EXPECT_TRUE(plugin.call<v1::Empty>(v1::METHOD_LAUNCH_FORGET, request));
  }
  v1::ListOwnedResponse owned() {
    return plugin.call<v1::ListOwnedResponse>(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedRequest())
        .value();
  }

  Harness plugin;

 private:
  bool started_ = false;
};

TEST_P(LaunchContract, DescribesItselfBeforeActivate) {
  ASSERT_TRUE(plugin.begin());
  std::optional<Result<v1::Manifest>> manifest;
  plugin.instance().describe({}, [&](auto result) { manifest = std::move(result); });
  ASSERT_TRUE(plugin.until([&] { return manifest.has_value(); }));
  ASSERT_TRUE(*manifest) << manifest->error().message;
  EXPECT_EQ((*manifest)->interfaces(0).id(), "berth.launch/1");
  EXPECT_TRUE(plugin.snapshots.empty());
}

TEST_P(LaunchContract, PublishesItsInventoryWithActivate) {
  plugin.activate();
  ASSERT_TRUE(plugin.until([&] { return !plugin.snapshots.empty(); }));
  EXPECT_GE(plugin.snapshots[0].generation(), 1U);
  ASSERT_GE(plugin.snapshots[0].nodes_size(), 1);
  const v1::Node& node = plugin.snapshots[0].nodes(0);
  EXPECT_TRUE(node.connected());
  EXPECT_EQ(node.cluster(), "default");
  EXPECT_EQ(node.resources(0).name(), "CPU");
  EXPECT_GT(node.resources(0).counter().total(), 0);
}

TEST_P(LaunchContract, IsActivatedAtMostOnce) {
  plugin.activate();
  EXPECT_EQ(plugin.call_bytes(v1::METHOD_ACTIVATE, "").error().code, Errc::Precondition);
}

TEST_P(LaunchContract, RefusesASettingThatItDoesNotKnow) {
  v1::PluginConfig config;
  (*config.mutable_settings())["no_such_key"] = "1";
  const auto begun = plugin.begin(config);
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::Invalid);
  EXPECT_THAT(begun.error().message, HasSubstr("no_such_key"));
}

TEST_P(LaunchContract, PlansWhatATaskNeeds) {
  plugin.activate();
  v1::PlanRequest request;
  auto& container = *request.mutable_definition()->add_container_definitions();
  container.set_name("main");
  container.set_image("x");
  container.set_cpu(128);
  container.set_memory(64);
  const auto plan = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->refusals_size(), 0);
  EXPECT_EQ(plan->requirement().cpu(), 128);
  EXPECT_EQ(plan->requirement().memory_mib(), 64);
}

TEST_P(LaunchContract, RunsATaskToItsExitCode) {
  plugin.activate();
  ASSERT_TRUE(start(task("exit-3", "exit 3")));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  const v1::TaskReport report = *plugin.report(kTask);
  EXPECT_EQ(report.stop_code(), v1::STOP_CODE_ESSENTIAL_CONTAINER_EXITED);
  ASSERT_EQ(report.containers_size(), 1);
  EXPECT_EQ(report.containers(0).name(), "main");
  EXPECT_EQ(report.containers(0).last_status(), "STOPPED");
  EXPECT_EQ(report.containers(0).exit_code(), 3);
  EXPECT_GT(report.stopped_at().ms(), 0);
}

TEST_P(LaunchContract, ReportsEachChangeWithAHigherSequenceAndNeverGoesBack) {
  plugin.activate();
  ASSERT_TRUE(start(task("exit-0", "exit 0")));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  for (std::size_t i = 1; i < plugin.reports.size(); ++i) {
    EXPECT_GT(plugin.reports[i].sequence(), plugin.reports[i - 1].sequence());
    EXPECT_GE(plugin.reports[i].phase(), plugin.reports[i - 1].phase());
  }
}

TEST_P(LaunchContract, StartsATaskOnceHoweverOftenItIsTold) {
  plugin.activate();
  ASSERT_TRUE(start(endless()));
  ASSERT_TRUE(start(endless()));
  EXPECT_EQ(owned().tasks_size(), 1);
  EXPECT_EQ(owned().tasks(0).phase(), v1::TASK_PHASE_RUNNING);
  ASSERT_TRUE(stop(kTask, true));
  EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
}

TEST_P(LaunchContract, StopsATaskAndBearsBeingToldTwice) {
  plugin.activate();
  ASSERT_TRUE(start(endless()));
  ASSERT_TRUE(stop(kTask));
  EXPECT_TRUE(stop(kTask));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  EXPECT_TRUE(stop(kTask));
  EXPECT_EQ(plugin.report(kTask)->stop_code(), v1::STOP_CODE_USER_INITIATED);
  EXPECT_EQ(plugin.report(kTask)->stopped_reason(), "asked");
  EXPECT_EQ(plugin.report(kTask)->containers(0).exit_code(), 143);
}

TEST_P(LaunchContract, DoesNotKnowATaskThatItNeverStarted) {
  plugin.activate();
  EXPECT_EQ(stop(std::string(32, 'f')).error().code, Errc::NotFound);
  v1::RecoverRequest request;
  request.add_tasks()->set_task_id(std::string(32, 'f'));
  const auto recovered = plugin.call<v1::RecoverResponse>(v1::METHOD_LAUNCH_RECOVER, request);
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->known_size(), 0);
  ASSERT_EQ(recovered->unknown_size(), 1);
}

TEST_P(LaunchContract, RecoversWhatItHoldsAndKillsNothingElse) {
  plugin.activate();
  ASSERT_TRUE(start(endless()));
  const auto recovered =
      plugin.call<v1::RecoverResponse>(v1::METHOD_LAUNCH_RECOVER, v1::RecoverRequest());
  ASSERT_TRUE(recovered);
  EXPECT_EQ(owned().tasks(0).phase(), v1::TASK_PHASE_RUNNING);
  v1::RecoverRequest request;
  request.add_tasks()->set_task_id(kTask);
  EXPECT_EQ(plugin.call<v1::RecoverResponse>(v1::METHOD_LAUNCH_RECOVER, request)->known_size(), 1);
  ASSERT_TRUE(stop(kTask, true));
  EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
}

TEST_P(LaunchContract, OwnsAStoppedTaskUntilItIsForgotten) {
  plugin.activate();
  ASSERT_TRUE(start(task("exit-0", "exit 0")));
  ASSERT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
  EXPECT_EQ(owned().tasks_size(), 1);
  forget(kTask);
  EXPECT_EQ(owned().tasks_size(), 0);
}

TEST_P(LaunchContract, DoesNotForgetATaskThatRuns) {
  plugin.activate();
  ASSERT_TRUE(start(endless()));
  forget(kTask);
  EXPECT_EQ(owned().tasks_size(), 1);
  ASSERT_TRUE(stop(kTask, true));
  EXPECT_TRUE(plugin.until_phase(kTask, v1::TASK_PHASE_STOPPED));
}

TEST_P(LaunchContract, SendsItsInventoryAgainWhenAskedWhatItOwns) {
  plugin.activate();
  ASSERT_TRUE(plugin.until([&] { return !plugin.snapshots.empty(); }));
  const auto before = plugin.snapshots.back().generation();
  (void)owned();
  ASSERT_TRUE(plugin.until([&] { return plugin.snapshots.size() > 1; }));
  EXPECT_GT(plugin.snapshots.back().generation(), before);
}

TEST_P(LaunchContract, AnswersAMethodThatIsNotItsOwnAsUnimplemented) {
  plugin.activate();
  for (const std::uint32_t method : {0x1ffU, 0x300U, 0x7fffU, 0x8000U, 0xffffffffU}) {
    EXPECT_EQ(plugin.call_bytes(method, "").error().code, Errc::Unimplemented) << method;
  }
}

TEST_P(LaunchContract, AnswersManyCallsAtOnceEachOnce) {
  plugin.activate();
  constexpr int kCalls = 500;
  int answered = 0;
  for (int i = 0; i < kCalls; ++i) {
    plugin.instance().call(v1::METHOD_LAUNCH_LIST_OWNED, "", {}, [&](const auto& result) {
      EXPECT_TRUE(result);
      ++answered;
    });
  }
  EXPECT_TRUE(plugin.until([&] { return answered == kCalls; }));
  EXPECT_EQ(plugin.instance().faults().unknown_completions, 0U);
}

TEST_P(LaunchContract, ComesAgainAfterItsEnd) {
  plugin.activate();
  plugin.end();
  plugin.snapshots.clear();
  plugin.activate();
  EXPECT_TRUE(plugin.until([&] { return !plugin.snapshots.empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Plugins, LaunchContract,
                         ::testing::Values(Plugin{"Example", BERTH_TEST_EXAMPLE},
                                           Plugin{"Pool", BERTH_TEST_POOL},
                                           Plugin{"Devices", BERTH_TEST_DEVICES}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PoolContract, MakesAndRemovesHiddenNodesOnRequest) {
  Harness plugin(BERTH_TEST_POOL);
  plugin.activate();
  v1::ProvisionRequest request;
  request.set_request_id("more");
  request.set_nodes(2);
  const auto made = plugin.call<v1::ProvisionResponse>(v1::METHOD_LAUNCH_PROVISION, request);
  ASSERT_TRUE(made);
  ASSERT_EQ(made->node_ids_size(), 2);
  ASSERT_TRUE(plugin.until([&] { return plugin.deltas.size() == 2; }));
  EXPECT_EQ(plugin.deltas[0].base(), plugin.snapshots[0].generation());
  EXPECT_EQ(plugin.deltas[1].base(), plugin.deltas[0].generation());
  v1::DeprovisionRequest remove;
  remove.add_node_ids(made->node_ids(0));
  ASSERT_TRUE(plugin.call<v1::Empty>(v1::METHOD_LAUNCH_DEPROVISION, remove));
  ASSERT_TRUE(plugin.until([&] { return plugin.deltas.size() == 3; }));
  EXPECT_EQ(plugin.deltas[2].removals(0), made->node_ids(0));
}

TEST(DeviceContract, ServesOnlyTheRoleThatTheHostUses) {
  Harness plugin(BERTH_TEST_DEVICES);
  v1::PluginConfig config;
  config.add_interfaces("berth.host/1");
  plugin.activate(config);
  ASSERT_TRUE(plugin.until([&] { return !plugin.devices.empty(); }));
  EXPECT_TRUE(plugin.snapshots.empty());
  EXPECT_EQ(plugin.call_bytes(v1::METHOD_LAUNCH_LIST_OWNED, "").error().code, Errc::Precondition);
  EXPECT_EQ(plugin.call<v1::DiscoverResponse>(v1::METHOD_HOST_DISCOVER, v1::DiscoverRequest())
                ->devices_size(),
            2);
}

TEST(DeviceContract, PreparesGrantsIntoEditsAndReleasesThemTwice) {
  Harness plugin(BERTH_TEST_DEVICES);
  plugin.activate();
  v1::PrepareRequest request;
  request.set_task_id(kTask);
  request.set_container("main");
  request.add_grants()->set_device_id("dev-1");
  const auto prepared = plugin.call<v1::PrepareResponse>(v1::METHOD_HOST_PREPARE, request);
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->edits().env(0), "VISIBLE_DEVICES=dev-1");
  EXPECT_EQ(prepared->edits().device_nodes(0).path(), "/dev/null-dev-1");
  v1::DeviceStatsRequest stats;
  stats.add_device_ids("dev-1");
  const auto busy = plugin.call<v1::DeviceStatsResponse>(v1::METHOD_HOST_DEVICE_STATS, stats);
  EXPECT_EQ(busy->devices(0).utilization(), 1.0);
  v1::ReleaseRequest release;
  release.set_task_id(kTask);
  EXPECT_TRUE(plugin.call<v1::Empty>(v1::METHOD_HOST_RELEASE, release));
  EXPECT_TRUE(plugin.call<v1::Empty>(v1::METHOD_HOST_RELEASE, release));
  const auto idle = plugin.call<v1::DeviceStatsResponse>(v1::METHOD_HOST_DEVICE_STATS, stats);
  EXPECT_EQ(idle->devices(0).utilization(), 0.0);
}

TEST(DeviceContract, PlansDevicesForTheContainerThatAsks) {
  Harness plugin(BERTH_TEST_DEVICES);
  plugin.activate();
  EXPECT_EQ(plugin.snapshots.at(0).nodes(0).resources(2).device_set().devices_size(), 2);
  v1::PlanRequest request;
  auto& container = *request.mutable_definition()->add_container_definitions();
  container.set_name("train");
  container.add_resource_requirements()->set_type("GPU");
  container.mutable_resource_requirements(0)->set_value("2");
  const auto plan = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->requirement().devices(0).container(), "train");
  EXPECT_EQ(plan->requirement().devices(0).count(), 2);
}

}  // namespace
}  // namespace berth::test
