// SPDX-License-Identifier: Apache-2.0
// Clusters, task definitions, container instances; what is durable, what is kept how long, what a
// restart finds.
#include "berth/model/stored.pb.h"
#include "core/control/instance_query.hpp"
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class RecordsTest : public Bench {
 protected:
  static CreateCluster create(const std::string& name) {
    CreateCluster command;
    command.request.set_cluster_name(name);
    return command;
  }
  static DeleteCluster remove(const std::string& name) {
    DeleteCluster command;
    command.request.set_cluster(name);
    return command;
  }
  static DeregisterTaskDefinition deregister(const std::string& name) {
    DeregisterTaskDefinition command;
    command.request.set_task_definition(name);
    return command;
  }
  ContainerInstancePtr instance(const std::string& id = kNode) {
    return core->state().instance(NodeId(id));
  }
  void delta(std::uint64_t base, std::vector<v1::Node> upserts,
             std::vector<std::string> removals = {}) {
    v1::InventoryDelta event;
    event.set_base(base);
    event.set_generation(base + 1);
    event.mutable_upserts()->Assign(upserts.begin(), upserts.end());
    event.mutable_removals()->Assign(removals.begin(), removals.end());
    core->plugin_event(PluginName("ec2"), v1::EVENT_LAUNCH_INVENTORY_DELTA,
                       event.SerializeAsString());
    settle();
  }
};

// ---- Clusters

TEST_F(RecordsTest, MakesTheDefaultClusterOnceAndForGood) {
  settle();
  ASSERT_TRUE(core->state().cluster(ClusterName("default")));
  ASSERT_TRUE(*ask(remove("default"))->answer);
  crash();
  settle();
  EXPECT_FALSE(core->state().cluster(ClusterName("default"))->active);
}

TEST_F(RecordsTest, CreatingTwiceChangesNothingAndADeletedClusterIsReborn) {
  CreateCluster first = create("prod");
  first.request.add_tags()->set_key("a");
  const auto made = ask(first)->as<ClusterPtr>();
  EXPECT_EQ(ask(create("prod"))->as<ClusterPtr>(), made);
  EXPECT_FALSE(ask(remove("prod"))->as<ClusterPtr>()->active);
  EXPECT_FALSE(ask(remove("prod"))->as<ClusterPtr>()->active) << "twice is once";
  const auto reborn = ask(create("prod"))->as<ClusterPtr>();
  EXPECT_TRUE(reborn->active);
  EXPECT_TRUE(reborn->tags.empty());
  EXPECT_EQ(ask(remove("never"))->error().message, "Cluster not found.");
}

TEST_F(RecordsTest, RefusesToDeleteAClusterThatHoldsSomething) {
  ready();
  running();
  auto with_instances = ask(remove("default"));
  EXPECT_EQ(with_instances->error().subject, Subject::ClusterContents);
  EXPECT_EQ(with_instances->error().what, "container instances");
  core->plugin_down(PluginName("ec2"));
  EXPECT_EQ(ask(remove("default"))->error().what, "container instances")
      << "disconnected is not gone";
}

TEST_F(RecordsTest, RefusesToDeleteAClusterWithTasksOfAPool) {
  LaunchPlugin pool = ec2();
  pool.hidden_nodes = true;
  core->plugin_up(pool);
  snapshot({node("slice-1")});
  ask(definition());
  auto asked = submit(run_task());
  settle();
  answer_plan();
  ASSERT_EQ(asked->as<RunTaskAnswer>().tasks.size(), 1u);
  EXPECT_EQ(asked->as<RunTaskAnswer>().tasks[0]->last_status, TaskStatus::Provisioning);
  EXPECT_TRUE(core->state().instances().empty()) << "a pool's nodes are hidden";
  EXPECT_EQ(ask(remove("default"))->error().what, "tasks");
}

TEST_F(RecordsTest, KnowsOnlyCapacityProvidersThatAPluginServes) {
  CreateCluster command = create("c");
  command.request.add_capacity_providers("hosts");
  EXPECT_EQ(ask(command)->error().what, "capacityProviders");
  bring_up();
  EXPECT_EQ(ask(command)->as<ClusterPtr>()->capacity_providers.size(), 1u);
}

TEST_F(RecordsTest, AClusterIsNotPromisedWhatNobodyKeeps) {
  CreateCluster connected = create("c");
  connected.request.mutable_service_connect_defaults()->set_namespace_("n");
  EXPECT_EQ(ask(connected)->error().what, "serviceConnectDefaults");
  CreateCluster stored = create("c");
  stored.request.mutable_configuration()->mutable_managed_storage_configuration()->set_kms_key_id("k");
  EXPECT_EQ(ask(stored)->error().what, "configuration.managedStorageConfiguration");
  EXPECT_EQ(core->state().cluster(ClusterName("c")), nullptr);
  CreateCluster logged = create("c");
  logged.request.mutable_configuration()->mutable_execute_command_configuration()->set_logging("DEFAULT");
  EXPECT_TRUE(ask(logged)->as<ClusterPtr>()->configuration);
}

// ---- Definitions

TEST_F(RecordsTest, NumbersRevisionsWithoutEverUsingOneAgain) {
  for (int revision = 1; revision <= 3; ++revision) {
    EXPECT_EQ(ask(definition())->as<TaskDefinitionPtr>()->id.revision, revision);
  }
  EXPECT_EQ(ask(deregister("web:3"))->as<TaskDefinitionPtr>()->message.status(), "INACTIVE");
  EXPECT_EQ(core->state().definition({FamilyName("web"), 0})->id.revision, 2) << "latest ACTIVE";
  crash();
  EXPECT_EQ(core->state().definition({FamilyName("web"), 0})->id.revision, 2);
  EXPECT_EQ(ask(definition())->as<TaskDefinitionPtr>()->id.revision, 4);
}

TEST_F(RecordsTest, DeregistersByRevisionOnly) {
  ask(definition());
  EXPECT_EQ(ask(deregister("web"))->error().message, "Revision is missing.");
  EXPECT_EQ(ask(deregister("web:x"))->error().message, "Invalid revision number. Number: x");
  EXPECT_EQ(ask(deregister("web:2"))->error().message, "Unable to describe task definition.");
  const auto first = ask(deregister("web:1"))->as<TaskDefinitionPtr>();
  EXPECT_TRUE(first->message.has_deregistered_at());
  EXPECT_EQ(ask(deregister("web:1"))->as<TaskDefinitionPtr>(), first);
}

// ---- Nodes

TEST_F(RecordsTest, ShowsNodesAsContainerInstances) {
  bring_up();
  ASSERT_TRUE(instance());
  EXPECT_EQ(instance()->status, InstanceStatus::Active);
  EXPECT_EQ(instance()->version, 1);
  EXPECT_EQ(instance()->registered_at, now);
  v1::Node changed = node();
  changed.set_agent_version("2");
  delta(1, {changed});
  EXPECT_EQ(instance()->version, 2);
  delta(2, {changed});
  EXPECT_EQ(instance()->version, 2) << "the same again is no change";
}

TEST_F(RecordsTest, MarksInstancesDisconnectedWithTheirPluginAndAfterARestart) {
  ready();
  const TaskId id = running();
  core->plugin_down(PluginName("ec2"));
  settle();
  EXPECT_FALSE(instance()->node.connected());
  EXPECT_EQ(task(id)->last_status, TaskStatus::Running) << "it goes on running";
  bring_up();
  EXPECT_TRUE(instance()->node.connected());
  crash();
  EXPECT_FALSE(instance()->node.connected());
  EXPECT_EQ(core->state().reserved_on(NodeId(kNode)).cpu(), 256);
}

TEST_F(RecordsTest, IgnoresOldSnapshotsAndAsksAgainAfterAGap) {
  bring_up();
  snapshot({}, 1);
  settle();
  EXPECT_EQ(instance()->status, InstanceStatus::Active) << "a doubled generation";
  delta(5, {}, {kNode});
  EXPECT_EQ(instance()->status, InstanceStatus::Active);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_LIST_OWNED), 1);
}

TEST_F(RecordsTest, EndsAnInstanceThatIsGoneAndKeepsItDescribableForAWhile) {
  bring_up();
  delta(1, {}, {kNode});
  EXPECT_EQ(instance()->status, InstanceStatus::Inactive);
  EXPECT_FALSE(instance()->node.connected());
  crash();
  advance(minutes(59));
  EXPECT_TRUE(instance());
  advance(minutes(2));
  EXPECT_FALSE(instance());
}

TEST_F(RecordsTest, TakesAnInstanceBackUnderItsOldName) {
  bring_up();
  delta(1, {}, {kNode});
  delta(2, {node()});
  EXPECT_EQ(instance()->status, InstanceStatus::Active);
  advance(hours(2));
  EXPECT_TRUE(instance()) << "its end of then is void";
}

TEST_F(RecordsTest, RefusesNodesThatAreNotWhatTheyShouldBe) {
  v1::Node foreign = node(kNode2);
  core->plugin_up(ec2());
  LaunchPlugin other = ec2();
  other.name = PluginName("other");
  core->plugin_up(other);
  v1::InventorySnapshot theirs;
  theirs.set_generation(1);
  *theirs.add_nodes() = foreign;
  core->plugin_event(other.name, v1::EVENT_LAUNCH_INVENTORY, theirs.SerializeAsString());
  v1::Node odd_cluster = node();
  odd_cluster.set_cluster("no/slash");
  snapshot({foreign, node("short"), node("0123456789ABCDEF0123456789ABCDEF"), odd_cluster});
  settle();
  ASSERT_EQ(core->state().instances().size(), 1u);
  EXPECT_EQ(instance(kNode2)->plugin, other.name);
}

TEST_F(RecordsTest, LetsANodeOfAMissingClusterWaitUntilTheClusterIsMade) {
  v1::Node early = node();
  early.set_cluster("later");
  bring_up({early});
  EXPECT_FALSE(instance());
  ask(create("later"));
  ASSERT_TRUE(instance());
  EXPECT_EQ(core->state().instances_of(ClusterName("later")).size(), 1u);
}

// ---- Durability

TEST_F(RecordsTest, ReleasesQueriesOnlyWhenWhatTheySawIsDurable) {
  settle();
  submit(create("prod"));
  bool seen = false;
  bool told = false;
  core->query([&](const State& state) {
    seen = static_cast<bool>(state.cluster(ClusterName("prod")));
    return [&] { told = true; };
  });
  tick();
  EXPECT_TRUE(seen);
  EXPECT_FALSE(told);
  bool later = false;
  core->query([&](const State&) { return [&] { later = told; }; });
  tick();
  EXPECT_FALSE(told);
  settle();
  EXPECT_TRUE(told);
  EXPECT_TRUE(later) << "effects leave in the order of their causes";
}

TEST_F(RecordsTest, AcknowledgesNothingAfterTheStoreHasFailed) {
  settle();
  auto asked = submit(create("prod"));
  tick();
  store->fail(Error{Errc::NoCapacity, "disk full", Subject::Store});
  settle();
  ASSERT_TRUE(halted);
  EXPECT_EQ(halted->message, "disk full");
  EXPECT_FALSE(asked->done());
  auto later = ask(create("more"));
  EXPECT_FALSE(later->done());
  EXPECT_EQ(store->waiting(), 0u);
}

TEST_F(RecordsTest, RefusesToBeginWithARecordThatItCannotRead) {
  settle();
  disk.records[{store::Kind::Task, "broken"}] = "\xff\xff";
  store = std::make_unique<test::MemoryStore>(disk);
  auto loaded = store->load();
  Control second(config,
                 Ports{*store, plugins, *this, rng, [](Error) {}, [](std::function<void()>) {}});
  const auto restored = second.restore(std::move(*loaded), now);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::Internal);
  EXPECT_EQ(restored.error().what, "broken");
}

TEST_F(RecordsTest, FindsTheSameStateAfterARestart) {
  ready();
  const TaskId id = running();
  ask(stop_task(placed()));
  const auto text = [&] {
    std::string all;
    for (const auto& [key, record] : core->state().tasks()) all += stored::encode(*record);
    for (const auto& [key, record] : core->state().clusters()) all += stored::encode(*record);
    return all;
  };
  const std::string before = text();
  crash();
  EXPECT_EQ(text(), before);
  EXPECT_EQ(task(id)->definition, core->state().definition({FamilyName("web"), 1})) << "shared";
}

TEST_F(RecordsTest, KeepsForAnHourAlsoAfterARestartWhatEndedLongAgo) {
  ready();
  const TaskId id = running();
  v1::TaskReport end = report_of(id, 11, v1::TASK_PHASE_STOPPED);
  end.mutable_stopped_at()->set_ms((now - std::chrono::hours(2)).time_since_epoch().count());
  report(end);
  crash();
  bring_up();
  advance(std::chrono::minutes(50));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 0);
  advance(std::chrono::minutes(11));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 1);
}

// ---- Recovery

TEST_F(RecordsTest, AsksARestartedPluginWhatBecameOfItsTasks) {
  ready();
  const TaskId running_on = running();
  const TaskId gone = running();
  const TaskId away = running();
  core->plugin_down(PluginName("ec2"));
  core->plugin_up(ec2());
  settle();
  v1::RecoverRequest question;
  ASSERT_TRUE(question.ParseFromString(plugins.calls.front().request));
  EXPECT_EQ(question.tasks_size(), 3);
  v1::RecoverResponse response;
  *response.add_known() = report_of(running_on, 11, v1::TASK_PHASE_RUNNING);
  response.add_unknown(gone.str());
  response.add_unreachable(away.str());
  answer(v1::METHOD_LAUNCH_RECOVER, response);
  EXPECT_EQ(task(running_on)->last_status, TaskStatus::Running);
  EXPECT_EQ(task(gone)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(task(gone)->stop_code, StopCode::EssentialContainerExited);
  EXPECT_EQ(task(away)->last_status, TaskStatus::Running);
}

TEST_F(RecordsTest, AsksAgainWhenRecoveryFails) {
  ready();
  running();
  core->plugin_down(PluginName("ec2"));
  core->plugin_up(ec2());
  settle();
  refuse(v1::METHOD_LAUNCH_RECOVER, Errc::Deadline, "?");
  advance(seconds(5));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_RECOVER), 1);
}

TEST_F(RecordsTest, NoticesInAnAuditWhatReportsDidNotTell) {
  ready();
  const TaskId silent = running();
  const TaskId lost = running();
  advance(seconds(60));
  v1::ListOwnedResponse owned;
  *owned.add_tasks() = report_of(silent, 12, v1::TASK_PHASE_STOPPED);
  answer(v1::METHOD_LAUNCH_LIST_OWNED, owned);
  EXPECT_EQ(task(silent)->last_status, TaskStatus::Stopped);
  EXPECT_EQ(task(lost)->last_status, TaskStatus::Running) << "a listing alone proves nothing";
  v1::RecoverResponse response;
  response.add_unknown(lost.str());
  answer(v1::METHOD_LAUNCH_RECOVER, response);
  EXPECT_EQ(task(lost)->last_status, TaskStatus::Stopped);
}

TEST_F(RecordsTest, TakesAListingPageByPage) {
  ready();
  std::set<TaskId> ids = {running(), running(), running()};
  advance(seconds(60));
  for (const TaskId& id : ids) {
    v1::ListOwnedRequest request;
    ASSERT_TRUE(request.ParseFromString(plugins.calls.front().request));
    EXPECT_EQ(request.after(), id == *ids.begin() ? "" : std::prev(ids.find(id))->str());
    v1::ListOwnedResponse page;
    *page.add_tasks() = report_of(id, 12, v1::TASK_PHASE_STOPPED);
    page.set_more(id != *ids.rbegin());
    answer(v1::METHOD_LAUNCH_LIST_OWNED, page);
    EXPECT_EQ(task(id)->last_status, TaskStatus::Stopped);
  }
  EXPECT_TRUE(plugins.calls.empty()) << "none is missing";
}

TEST_F(RecordsTest, GivesUpAListingThatDoesNotGoOn) {
  ready();
  const TaskId id = running();
  advance(seconds(60));
  v1::ListOwnedResponse page;
  *page.add_tasks() = report_of(id, 11, v1::TASK_PHASE_RUNNING);
  page.set_more(true);
  answer(v1::METHOD_LAUNCH_LIST_OWNED, page);
  answer(v1::METHOD_LAUNCH_LIST_OWNED, page);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_LIST_OWNED), 0);
  EXPECT_EQ(task(id)->last_status, TaskStatus::Running);
}

TEST_F(RecordsTest, HasOneRecoveryUnderWay) {
  ready();
  running();
  for (int i = 0; i < 3; ++i) {
    advance(seconds(60));
    answer(v1::METHOD_LAUNCH_LIST_OWNED, v1::ListOwnedResponse());
    EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_RECOVER), 1) << i;
  }
}

TEST_F(RecordsTest, StopsUnrecordedWorkOnlyAfterItWasSeenTwiceALongTimeApart) {
  ready();
  const TaskId stray("abcdefabcdefabcdefabcdefabcdefab");
  v1::ListOwnedResponse owned;
  *owned.add_tasks() = report_of(stray, 1, v1::TASK_PHASE_RUNNING);
  report(owned.tasks(0));
  EXPECT_TRUE(plugins.calls.empty()) << "an event alone is no reason";
  for (int i = 0; i < 2; ++i) {
    advance(seconds(60));
    answer(v1::METHOD_LAUNCH_LIST_OWNED, owned);
    EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 0);
  }
  advance(seconds(60));
  answer(v1::METHOD_LAUNCH_LIST_OWNED, owned);
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_STOP), 1);
}

// ---- Queries

TEST(InstanceQuery, SaysOnceWhereAnExpressionIsWrong) {
  const auto refused = InstanceQuery::parse("attribute:x === y");
  ASSERT_FALSE(refused);
  const std::string& text = refused.error().message;
  EXPECT_NE(text.find("at character"), std::string::npos) << text;
  EXPECT_EQ(text.find("at character"), text.rfind("at character")) << text;
}

// ---- Retention

TEST_F(RecordsTest, KeepsAStoppedTaskForAnHourThenHasItForgottenThenErasesIt) {
  ready();
  const TaskId id = running();
  report(report_of(id, 20, v1::TASK_PHASE_STOPPED));
  advance(minutes(59));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 0);
  EXPECT_TRUE(task(id));
  advance(minutes(2));
  ASSERT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 1);
  EXPECT_TRUE(task(id)) << "until the plugin agrees";
  answer(v1::METHOD_LAUNCH_FORGET, v1::Empty());
  EXPECT_FALSE(task(id));
  EXPECT_EQ(disk.find(store::Kind::Task, id.str()), nullptr);
}

TEST_F(RecordsTest, RepeatsAForgetThatFailedAndGivesUpAfterADay) {
  ready();
  const TaskId id = running();
  report(report_of(id, 20, v1::TASK_PHASE_STOPPED));
  advance(minutes(61));
  refuse(v1::METHOD_LAUNCH_FORGET, Errc::Unavailable, "?");
  advance(minutes(1));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 1);
  core->plugin_down(PluginName("ec2"));
  advance(hours(26));
  EXPECT_FALSE(task(id));
}

TEST_F(RecordsTest, KeepsStoppedTasksOverARestart) {
  config.stopped_task_retention = hours(3);
  crash();
  ready();
  const TaskId id = running();
  report(report_of(id, 20, v1::TASK_PHASE_STOPPED));
  now += hours(1);
  crash();
  advance(minutes(119));
  EXPECT_TRUE(task(id));
  core->plugin_up(ec2());
  advance(minutes(2));
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_FORGET), 1);
}

}  // namespace
}  // namespace berth::control
