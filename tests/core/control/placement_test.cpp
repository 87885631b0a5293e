// SPDX-License-Identifier: Apache-2.0
// What placement answers besides tasks: failures of large clusters, what is compiled and when,
// plans, explanations, and what a meter sees.
#include <cstdio>

#include "core/control/unplaced.hpp"
#include "tests/core/control/bench.hpp"

namespace berth::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string node_id(int number) {
  char text[33];
  std::snprintf(text, sizeof text, "%032x", static_cast<unsigned>(number));
  return text;
}

class CountingMeter final : public DecisionMeter {
 public:
  void begin() override {
    EXPECT_FALSE(deciding) << "a decision within a decision";
    deciding = true;
  }
  void end(bool was_placed) override {
    EXPECT_TRUE(deciding);
    deciding = false;
    ++(was_placed ? placed : unplaced);
  }
  void refused(const std::string& reason, int instances) override { reasons[reason] += instances; }

  bool deciding = false;
  int placed = 0;
  int unplaced = 0;
  std::map<std::string, int> reasons;
};

class PlacementTest : public Bench {
 protected:
  static PlanTask plan_task(int count, const std::string& definition = "web") {
    PlanTask command;
    command.request.set_task_definition(definition);
    command.request.set_count(count);
    return command;
  }
  static PlanTask plan_needs(int count, int cpu, int memory) {
    PlanTask command;
    command.request.set_count(count);
    command.request.mutable_requirement()->set_cpu(cpu);
    command.request.mutable_requirement()->set_memory(memory);
    return command;
  }
  static ExplainTask explain_task(const TaskId& id) {
    return {.cluster = "", .task = id.str(), .group = ""};
  }
  static void by(model::PlacementStrategy* strategy, const char* type, const char* field) {
    strategy->set_type(type);
    strategy->set_field(field);
  }
  static v1::Node zoned(const std::string& id, const std::string& zone, std::int64_t cpu = 1024) {
    v1::Node made = node(id, cpu);
    made.add_attributes()->set_name("ecs.availability-zone");
    made.mutable_attributes(0)->set_value(zone);
    return made;
  }
  static int placed_on(const PlanTaskAnswer& answer, const std::string& id) {
    for (const TaskPlace& place : answer.places) {
      if (place.instance_arn.ends_with(id)) return place.tasks;
    }
    return 0;
  }
};

// ---- What is compiled

TEST_F(PlacementTest, ASecondRunTaskOfTheSameKindCompilesNothing) {
  ready();
  const std::uint64_t before = core->placement_stats().compilations;
  EXPECT_EQ(before, 1u);
  placed();
  placed();
  EXPECT_EQ(core->placement_stats().compilations, before);
  EXPECT_EQ(core->placement_stats().compiled_requests, 1u);
}

TEST_F(PlacementTest, WhatChangesTheRequestIsCompiledAnew) {
  ready();
  std::uint64_t made = core->placement_stats().compilations;
  const auto compiles = [&](const RunTask& command, std::int64_t cpu) {
    auto asked = submit(command);
    settle();
    if (!asked->done()) answer_plan(cpu);
    EXPECT_TRUE(*asked->answer);
    const std::uint64_t now_made = core->placement_stats().compilations;
    const bool more = now_made > made;
    made = now_made;
    return more;
  };
  ask(definition());  // web:2
  EXPECT_FALSE(compiles(run_task(), 256)) << "a revision that needs the same";
  ask(definition());  // web:3
  EXPECT_TRUE(compiles(run_task(), 128)) << "a revision that needs less";
  RunTask grouped = run_task();
  grouped.request.set_group("batch");
  EXPECT_TRUE(compiles(grouped, 128));
  RunTask spread = run_task();
  by(spread.request.add_placement_strategy(), "spread", "instanceId");
  EXPECT_TRUE(compiles(spread, 128));
  RunTask constrained = run_task();
  constrained.request.add_placement_constraints()->set_type("memberOf");
  constrained.request.mutable_placement_constraints(0)->set_expression("runningTasksCount < 99");
  EXPECT_TRUE(compiles(constrained, 128));
  RunTask overridden = run_task();
  overridden.request.mutable_overrides()->set_memory("64");
  EXPECT_TRUE(compiles(overridden, 64));
  for (const RunTask& again : {run_task(), grouped, spread, constrained, overridden}) {
    EXPECT_FALSE(compiles(again, 0));
  }
}

TEST_F(PlacementTest, AKeptRequestSeesNodesThatComeChangeAndGo) {
  ready({node(kNode, 256)});
  placed();
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().failures.at(0).reason, "RESOURCE:CPU");
  snapshot({node(kNode, 256), node(kNode2, 256)}, 2);
  settle();
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().tasks.at(0)->node.str(), kNode2);
  snapshot({node(kNode, 512)}, 3);
  settle();
  EXPECT_EQ(ask(run_task())->as<RunTaskAnswer>().tasks.at(0)->node.str(), kNode);
  EXPECT_EQ(core->placement_stats().compilations, 1u);
}

TEST_F(PlacementTest, KeepsAsManyAsItMayAndDropsWhatNobodyUses) {
  config.compiled_requests = 2;
  config.compiled_request_idle = std::chrono::minutes(5);
  core.reset();
  begin();
  ready();
  const auto in_group = [&](const std::string& group) {
    RunTask command = run_task();
    command.request.set_group(group);
    return ask(command);
  };
  in_group("a");
  in_group("b");
  EXPECT_EQ(core->placement_stats().compiled_requests, 2u);
  const std::uint64_t made = core->placement_stats().compilations;
  in_group("a");
  EXPECT_EQ(core->placement_stats().compilations, made);
  in_group("c");  // drops b, which was used least lately
  in_group("a");
  EXPECT_EQ(core->placement_stats().compilations, made + 1);
  advance(std::chrono::minutes(3));
  in_group("a");
  advance(std::chrono::minutes(3));
  EXPECT_EQ(core->placement_stats().compiled_requests, 1u) << "c is idle, a is not";
  advance(std::chrono::minutes(6));
  EXPECT_EQ(core->placement_stats().compiled_requests, 0u);
}

// ---- Failures

TEST_F(PlacementTest, NamesOneFailureForEachInstanceAndMissingTaskWithADetail) {
  ready({node(kNode, 100), node(kNode2, 200)});
  const auto answer = ask(run_task(2))->as<RunTaskAnswer>();
  ASSERT_EQ(answer.failures.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_THAT(answer.failures[i].arn, HasSubstr(i % 2 == 0 ? kNode : kNode2));
    EXPECT_EQ(answer.failures[i].reason, "RESOURCE:CPU");
    EXPECT_EQ(answer.failures[i].detail, i % 2 == 0 ? "The task needs 256 cpu units, 100 left."
                                                    : "The task needs 256 cpu units, 200 left.");
  }
}

TEST_F(PlacementTest, BoundsTheFailuresOfThousandsOfInstancesAndCountsTheRest) {
  std::vector<v1::Node> nodes;
  for (int i = 0; i < 10'000; ++i) {
    v1::Node& made = nodes.emplace_back(node(node_id(i), i == 7'000 ? 255 : 100));
    if (i == 9'999) made.set_connected(false);
  }
  ready(nodes);
  const auto answer = ask(run_task(10))->as<RunTaskAnswer>();
  ASSERT_EQ(answer.failures.size(), 1000u) << "100 instances for each of 10 tasks";
  std::map<std::string, int> reasons;
  bool closest = false;
  for (std::size_t i = 0; i < 100; ++i) {
    ++reasons[answer.failures[i].reason];
    closest = closest || answer.failures[i].arn.ends_with(node_id(7'000));
  }
  EXPECT_EQ(reasons, (std::map<std::string, int>{{"AGENT", 1}, {"RESOURCE:CPU", 99}}));
  EXPECT_TRUE(closest) << "the instance that lacks least is among them";
  EXPECT_THAT(answer.failures[99].detail,
              HasSubstr("9900 more container instances are not listed: 9900 RESOURCE:CPU."));
}

// ---- PlanTask

TEST_F(PlacementTest, APlanSaysWhereTasksGoAndWhatRefusesTheRest) {
  ready({zoned(kNode, "a", 700), zoned(kNode2, "b", 300)});
  const auto answer = ask(plan_task(5))->as<PlanTaskAnswer>();
  EXPECT_EQ(answer.count, 5);
  EXPECT_EQ(answer.placed, 3);
  EXPECT_EQ(placed_on(answer, kNode), 2);
  EXPECT_EQ(placed_on(answer, kNode2), 1);
  EXPECT_EQ(answer.group, "family:web");
  ASSERT_EQ(answer.strategies.size(), 1u);
  EXPECT_EQ(answer.strategies[0].type(), "random");
  ASSERT_EQ(answer.refusals.size(), 1u);
  EXPECT_EQ(answer.refusals[0].reason, "RESOURCE:CPU");
  EXPECT_EQ(answer.refusals[0].instances, 2);
  EXPECT_THAT(answer.refusals[0].closest_arn, HasSubstr(kNode));
  EXPECT_EQ(answer.refusals[0].needed, 256);
  EXPECT_EQ(answer.refusals[0].available, 188) << "with the planned tasks there";
}

TEST_F(PlacementTest, APlanIsWhatRunTaskThenDoes) {
  ready({zoned(kNode, "a", 4096), zoned(kNode2, "a", 4096), zoned(node_id(1), "b", 4096)});
  PlanTask plan = plan_task(4);
  RunTask run = run_task(4);
  for (auto* request :
       {plan.request.mutable_placement_strategy(), run.request.mutable_placement_strategy()}) {
    by(request->Add(), "spread", "attribute:ecs.availability-zone");
    by(request->Add(), "binpack", "memory");
  }
  const auto planned = ask(plan)->as<PlanTaskAnswer>();
  const auto ran = ask(run)->as<RunTaskAnswer>();
  std::map<std::string, int> went;
  for (const TaskPtr& task : ran.tasks) ++went[task->node.str()];
  EXPECT_EQ(went[node_id(1)], 2);
  for (const auto& [id, tasks] : went) EXPECT_EQ(placed_on(planned, id), tasks) << id;
}

TEST_F(PlacementTest, APlanReservesNothingAndChangesNoLaterAnswer) {
  // Two cores with the same seed and history, but for the plans in one of them.
  std::vector<std::vector<std::string>> histories;
  for (const bool asks : {false, true}) {
    rng = SeededRng(7);
    disk = test::MemoryDisk();
    plugins.calls.clear();
    core.reset();
    begin();
    std::vector<v1::Node> nodes;
    for (int i = 0; i < 20; ++i) nodes.push_back(node(node_id(i), 600, 4096));
    ready(nodes);
    std::vector<std::string>& history = histories.emplace_back();
    for (int round = 0; round < 12; ++round) {
      const std::size_t reserved = core->placement_stats().reservations;
      if (asks) {
        EXPECT_EQ(ask(plan_task(3 + 17 * round))->as<PlanTaskAnswer>().count, 3 + 17 * round);
        EXPECT_TRUE(*ask(plan_needs(100, 50, 50))->answer);
      }
      EXPECT_EQ(core->placement_stats().reservations, reserved);
      const auto answer = ask(run_task(4))->as<RunTaskAnswer>();
      for (const TaskPtr& task : answer.tasks) history.push_back(task->id.str() + task->node.str());
      for (const Failure& failure : answer.failures) history.push_back(failure.detail);
    }
  }
  EXPECT_FALSE(histories[0].empty());
  EXPECT_EQ(histories[0], histories[1]);
}

TEST_F(PlacementTest, PlansForBareNeedsWithPortsAndAttributes) {
  bring_up({node(kNode), node(kNode2)});
  PlanTask command = plan_needs(3, 100, 100);
  command.request.mutable_requirement()->add_ports()->set_host_port(80);
  auto answer = ask(command)->as<PlanTaskAnswer>();
  EXPECT_EQ(answer.placed, 2) << "one for each instance's port 80";
  EXPECT_EQ(answer.refusals.at(0).reason, "RESOURCE:PORTS");
  EXPECT_EQ(plugins.count(v1::METHOD_LAUNCH_PLAN), 0) << "no plugin is asked";
  command.request.mutable_requirement()->add_attributes()->set_name("fast");
  answer = ask(command)->as<PlanTaskAnswer>();
  EXPECT_EQ(answer.placed, 0);
  EXPECT_EQ(answer.refusals.at(0).reason, "ATTRIBUTE");
  EXPECT_EQ(answer.refusals.at(0).instances, 2);
  PlanTask gpus = plan_needs(1, 1, 1);
  gpus.request.mutable_requirement()->set_gpus(2);
  EXPECT_EQ(ask(gpus)->as<PlanTaskAnswer>().refusals.at(0).reason, "RESOURCE:GPU");
}

TEST_F(PlacementTest, RefusesPlansThatCannotBeMeant) {
  ready();
  EXPECT_EQ(ask(plan_task(0))->error().what, "count");
  EXPECT_EQ(ask(plan_task(10'001))->error().what, "count");
  PlanTask both = plan_task(1);
  both.request.mutable_requirement()->set_cpu(1);
  EXPECT_EQ(ask(both)->error().what, "taskDefinition");
  EXPECT_EQ(ask(PlanTask{})->error().what, "taskDefinition");
  EXPECT_EQ(ask(plan_task(1, "none"))->error().subject, Subject::TaskDefinition);
  EXPECT_EQ(ask(plan_needs(1, -1, 1))->error().what, "requirement.cpu");
  PlanTask port = plan_needs(1, 1, 1);
  port.request.mutable_requirement()->add_ports()->set_host_port(0);
  EXPECT_EQ(ask(port)->error().what, "requirement.ports.hostPort");
  PlanTask pool = plan_needs(1, 1, 1);
  pool.request.set_launch_type("FARGATE");
  EXPECT_EQ(ask(pool)->error().code, Errc::Unimplemented);
  PlanTask expression = plan_needs(1, 1, 1);
  expression.request.add_placement_constraints()->set_type("memberOf");
  expression.request.mutable_placement_constraints(0)->set_expression("attribute:x ==");
  EXPECT_EQ(ask(expression)->error().subject, Subject::Request);
}

// ---- ExplainTask

TEST_F(PlacementTest, ExplainsARunningTaskByItsStrategiesAndTheOtherNodes) {
  ready({zoned(kNode, "a"), zoned(kNode2, "b"), zoned(node_id(1), "b", 100)});
  RunTask command = run_task();
  by(command.request.add_placement_strategy(), "spread", "attribute:ecs.availability-zone");
  by(command.request.add_placement_strategy(), "binpack", "cpu");
  command.request.add_placement_constraints()->set_type("distinctInstance");
  const TaskPtr first = ask(command)->as<RunTaskAnswer>().tasks.at(0);
  EXPECT_EQ(first->node.str(), kNode);
  const auto why = ask(explain_task(first->id))->as<ExplainTaskAnswer>();
  EXPECT_EQ(why.task->id, first->id);
  EXPECT_EQ(why.instance->id.str(), kNode);
  EXPECT_EQ(why.place.zone, "a");
  ASSERT_EQ(why.constraints.size(), 1u);
  ASSERT_EQ(why.terms.size(), 2u);
  EXPECT_EQ(why.terms[0].strategy.field(), "attribute:ecs.availability-zone");
  EXPECT_EQ(why.terms[0].attribute_value, "a");
  EXPECT_EQ(why.terms[0].value, 0) << "itself not counted";
  EXPECT_EQ(why.terms[0].best, 0);
  EXPECT_EQ(why.terms[1].value, 1024) << "what it holds counts as free";
  EXPECT_EQ(why.others_that_fit, 1);
  ASSERT_EQ(why.refusals.size(), 1u);
  EXPECT_EQ(why.refusals[0].reason, "RESOURCE:CPU");
  EXPECT_THAT(why.refusals[0].closest_arn, HasSubstr(node_id(1)));

  ask(stop_task(ask(command)->as<RunTaskAnswer>().tasks.at(0)->id));
  const auto second = ask(command)->as<RunTaskAnswer>();
  ASSERT_EQ(second.tasks.size(), 1u) << "one that is to stop counts no more";
  const auto later = ask(explain_task(second.tasks[0]->id))->as<ExplainTaskAnswer>();
  EXPECT_EQ(second.tasks[0]->node.str(), kNode2);
  EXPECT_EQ(later.terms.at(0).value, 0);
  EXPECT_EQ(later.refusals.size(), 2u) << "the first's instance is distinct no more";
}

TEST_F(PlacementTest, SaysWhenATaskWouldNowGoElsewhere) {
  ready({node(kNode), node(kNode2)});
  RunTask packed = run_task(2);
  by(packed.request.add_placement_strategy(), "binpack", "cpu");
  ASSERT_EQ(ask(packed)->as<RunTaskAnswer>().tasks.size(), 2u);
  RunTask spread = run_task();
  by(spread.request.add_placement_strategy(), "spread", "instanceId");
  const TaskPtr task = ask(spread)->as<RunTaskAnswer>().tasks.at(0);
  EXPECT_EQ(task->node.str(), kNode2);
  RunTask more = run_task(2);
  more.request.add_placement_constraints()->set_type("memberOf");
  more.request.mutable_placement_constraints(0)->set_expression("ec2InstanceId == i-e1");
  ASSERT_EQ(ask(more)->as<RunTaskAnswer>().tasks.size(), 2u);
  for (const TaskId& id : std::set<TaskId>(core->state().tasks_on(NodeId(kNode)))) {
    ask(stop_task(id));
  }
  const auto why = ask(explain_task(task->id))->as<ExplainTaskAnswer>();
  ASSERT_EQ(why.terms.size(), 1u);
  EXPECT_EQ(why.terms[0].value, 2);
  EXPECT_EQ(why.terms[0].best, 0);
}

TEST_F(PlacementTest, ExplainsStoppedTasksAndThoseWhoseNodeIsGone) {
  ready({node(kNode), node(kNode2)});
  const TaskId id = running();
  const std::string at = task(id)->node.str();
  ask(stop_task(id));
  v1::TaskReport end = report_of(id, 11, v1::TASK_PHASE_STOPPED);
  end.set_node_id(at);
  report(end);
  auto why = ask(explain_task(id))->as<ExplainTaskAnswer>();
  EXPECT_EQ(why.task->last_status, TaskStatus::Stopped);
  EXPECT_TRUE(why.node_known);
  EXPECT_EQ(why.others_that_fit, 1);
  snapshot({node(at == kNode ? kNode2 : kNode)}, 2);
  settle();
  why = ask(explain_task(id))->as<ExplainTaskAnswer>();
  EXPECT_FALSE(why.node_known);
  EXPECT_THAT(why.terms, IsEmpty());
  EXPECT_EQ(why.others_that_fit, 1);
  EXPECT_EQ(ask(explain_task(TaskId("none")))->error().subject, Subject::Task);
}

TEST_F(PlacementTest, SaysWhenTheInstanceWouldNotTakeTheTaskAgain) {
  ready({node(kNode, 256)});
  const TaskId id = running();
  auto why = ask(explain_task(id))->as<ExplainTaskAnswer>();
  EXPECT_FALSE(why.place_refuses) << "what it holds itself does not count against it";
  v1::Node away = node(kNode, 256);
  away.set_connected(false);
  snapshot({away}, 2);
  settle();
  why = ask(explain_task(id))->as<ExplainTaskAnswer>();
  ASSERT_TRUE(why.place_refuses);
  EXPECT_EQ(why.place_refuses->reason, "AGENT");
  EXPECT_THAT(why.terms, IsEmpty());
}

TEST_F(PlacementTest, DoesNotInventStrategiesWhereNoneDecided) {
  ready();
  StartTask start;
  start.request.set_task_definition("web");
  start.request.add_container_instances(kNode);
  const TaskPtr task = ask(start)->as<RunTaskAnswer>().tasks.at(0);
  const auto why = ask(explain_task(task->id))->as<ExplainTaskAnswer>();
  EXPECT_THAT(why.terms, IsEmpty());
  EXPECT_THAT(why.strategies, IsEmpty());
}

TEST_F(PlacementTest, ExplainsTheLastCallOfAGroupThatLeftTasksWithoutAPlace) {
  ready({node(kNode, 600)});
  const auto of_group = [&](const std::string& group) {
    return ask(ExplainTask{.cluster = "", .task = "", .group = group});
  };
  EXPECT_EQ(of_group("family:web")->error().what, "group");
  ask(run_task(5));
  const auto why = of_group("family:web")->as<ExplainTaskAnswer>();
  ASSERT_TRUE(why.unplaced);
  EXPECT_EQ(why.unplaced->operation, "RunTask");
  EXPECT_EQ(why.unplaced->definition.revision, 1);
  EXPECT_EQ(why.unplaced->count, 5);
  EXPECT_EQ(why.unplaced->placed, 2);
  EXPECT_EQ(why.unplaced->failures.size(), 1u) << "of one task";
  EXPECT_EQ(why.unplaced->refusals.at(0).reason, "RESOURCE:CPU");
  RunTask asked = run_task(5);
  asked.request.set_launch_type("EC2");
  asked.request.add_placement_strategy()->set_type("random");
  ask(asked);
  const auto again = of_group("family:web")->as<ExplainTaskAnswer>();
  EXPECT_EQ(again.unplaced->launch_type, "EC2");
  EXPECT_EQ(again.unplaced->strategies.at(0).type(), "random");
  snapshot({}, 2);
  settle();
  EXPECT_FALSE(*ask(run_task())->answer);
  EXPECT_THAT(of_group("family:web")->as<ExplainTaskAnswer>().unplaced->message,
              HasSubstr("No Container Instances were found"));
}

TEST(UnplacedTest, KeepsTheGroupsThatFailedLast) {
  Unplaced unplaced;
  const auto fail_in = [&](const std::string& group) {
    UnplacedTasks one;
    one.cluster = ClusterName("default");
    one.group = group;
    unplaced.record(std::move(one));
  };
  for (std::size_t i = 0; i < Unplaced::kMaxGroups; ++i) fail_in("g" + std::to_string(i));
  fail_in("g0");
  fail_in("one more");
  EXPECT_TRUE(unplaced.last(ClusterName("default"), "g0"));
  EXPECT_FALSE(unplaced.last(ClusterName("default"), "g1"));
  EXPECT_TRUE(unplaced.last(ClusterName("default"), "one more"));
  EXPECT_FALSE(unplaced.last(ClusterName("other"), "g0"));
}

// ---- What is measured

TEST_F(PlacementTest, AMeterStandsAroundEachDecisionAndHearsTheReasons) {
  CountingMeter counting;
  meter = &counting;
  core.reset();
  begin();
  ready({node(kNode, 600), node(kNode2, 100)});
  EXPECT_EQ(counting.placed, 1);
  ask(run_task(4));
  EXPECT_EQ(counting.placed, 3);
  EXPECT_EQ(counting.unplaced, 1) << "the call ends with the first task that fits nowhere";
  EXPECT_EQ(counting.reasons, (std::map<std::string, int>{{"RESOURCE:CPU", 2}}));
  ask(plan_task(4));
  EXPECT_EQ(counting.placed + counting.unplaced, 4) << "questions are not measured";
  EXPECT_EQ(core->placement_stats().nodes, 2u);
  EXPECT_EQ(core->placement_stats().reservations, 2u);
}

}  // namespace
}  // namespace berth::control
