// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

using ::testing::HasSubstr;
using testing::Box;
using testing::request_of;

sdk::Error refusal(const std::vector<Box>& boxes) {
  auto plan = plan_task(request_of(boxes), {});
  return plan ? sdk::Error{BERTH_OK, "not refused"} : plan.error();
}

TEST(TaskPlan, KnowsWhoDependsOnWhom) {
  auto plan = plan_task(request_of({{.name = "init", .essential = false},
                                    {.name = "web", .needs = {{"init", "SUCCESS"}}, .stop_timeout = 7}}),
                        {});
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->containers[0].essential);
  EXPECT_EQ(plan->containers[0].dependents, std::vector<std::size_t>{1});
  ASSERT_EQ(plan->containers[1].depends_on.size(), 1U);
  EXPECT_EQ(plan->containers[1].depends_on[0].condition, Condition::Success);
  EXPECT_EQ(plan->containers[1].stop_timeout_ms, 7000);
}

TEST(TaskPlan, IsEssentialWhereNothingIsSaid) {
  auto request = request_of({{.name = "web"}});
  request.mutable_definition()->mutable_container_definitions(0)->clear_essential();
  request.mutable_definition()->mutable_container_definitions(0)->clear_stop_timeout();
  auto plan = plan_task(request, {.stop_timeout = std::chrono::seconds(12)});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->containers[0].essential);
  EXPECT_EQ(plan->containers[0].stop_timeout_ms, 12'000);
}

TEST(TaskPlan, RefusesACycleAndNamesAContainerOfIt) {
  const auto error = refusal({{.name = "a", .needs = {{"c", "START"}}},
                              {.name = "b", .needs = {{"a", "START"}}},
                              {.name = "c", .needs = {{"b", "START"}}}});
  EXPECT_EQ(error.status, BERTH_INVALID);
  EXPECT_THAT(error.message, HasSubstr("lead back to itself"));
}

TEST(TaskPlan, RefusesToDependOnItself) {
  EXPECT_EQ(refusal({{.name = "a", .needs = {{"a", "START"}}}}).status, BERTH_INVALID);
}

TEST(TaskPlan, RefusesAnUnknownDependency) {
  EXPECT_EQ(refusal({{.name = "a", .needs = {{"ghost", "START"}}}}).field,
            "containerDefinitions[0].dependsOn[0].containerName");
}

TEST(TaskPlan, RefusesToWaitForTheEndOfAnEssentialContainer) {
  EXPECT_EQ(refusal({{.name = "a"}, {.name = "b", .needs = {{"a", "COMPLETE"}}}}).field,
            "containerDefinitions[1].dependsOn[0].condition");
}

TEST(TaskPlan, RefusesToWaitForTheHealthOfAContainerWithoutACheck) {
  const auto error = refusal({{.name = "a", .essential = false}, {.name = "b", .needs = {{"a", "HEALTHY"}}}});
  EXPECT_EQ(error.status, BERTH_INVALID);
  EXPECT_THAT(error.message, HasSubstr("no health check"));
  EXPECT_EQ(error.field, "containerDefinitions[1].dependsOn[0].condition");
}

TEST(TaskPlan, MayWaitForTheHealthOfAnEssentialContainer) {
  auto request = request_of({{.name = "db"}, {.name = "web", .needs = {{"db", "HEALTHY"}}}});
  for (const char* word : {"CMD-SHELL", "true"}) {
    request.mutable_definition()->mutable_container_definitions(0)->mutable_health_check()->add_command(word);
  }
  const auto plan = plan_task(request, {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->containers[1].depends_on[0].condition, Condition::Healthy);
  EXPECT_THAT(plan->containers[0].health->args, ::testing::ElementsAre("/bin/sh", "-c", "true"));
}

TEST(TaskPlan, RefusesARestartPolicyWithANegativePeriod) {
  auto request = request_of({{.name = "a"}});
  auto& policy = *request.mutable_definition()->mutable_container_definitions(0)->mutable_restart_policy();
  policy.set_enabled(true);
  EXPECT_EQ(plan_task(request, {})->containers[0].restart->attempt_period_ms, 300'000) << "ECS's default";
  policy.set_restart_attempt_period(-1);
  EXPECT_EQ(plan_task(request, {}).error().field, "containerDefinitions[0].restartPolicy.restartAttemptPeriod");
  policy.set_enabled(false);
  EXPECT_FALSE(plan_task(request, {})->containers[0].restart);
}

TEST(TaskPlan, RefusesATaskWithoutAnEssentialContainer) {
  EXPECT_EQ(refusal({{.name = "a", .essential = false}}).status, BERTH_INVALID);
}

TEST(TaskPlan, RefusesNamesThatCouldLeaveTheirDirectory) {
  for (const char* name : {"", "..", "a/b", "a b", "."}) EXPECT_EQ(refusal({{.name = name}}).status, BERTH_INVALID) << name;
}

TEST(TaskPlan, RefusesTwoContainersOfOneName) {
  EXPECT_EQ(refusal({{.name = "a"}, {.name = "a"}}).field, "containerDefinitions[1].name");
}

TEST(TaskPlan, StartsALogRouterBeforeThoseThatLogToItAndStopsItAfterThem) {
  auto request = request_of({{.name = "web"}, {.name = "quiet"}, {.name = "router"}});
  auto& definition = *request.mutable_definition();
  definition.mutable_container_definitions(0)->mutable_log_configuration()->set_log_driver("awsfirelens");
  definition.mutable_container_definitions(2)->mutable_firelens_configuration()->set_type("fluentbit");
  const auto plan = plan_task(request, {});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->containers[0].depends_on.size(), 1U);
  EXPECT_EQ(plan->containers[0].depends_on[0].on, 2U);
  EXPECT_EQ(plan->containers[0].depends_on[0].condition, Condition::Start);
  EXPECT_TRUE(plan->containers[1].depends_on.empty());
  EXPECT_THAT(plan->containers[2].dependents, ::testing::ElementsAre(0U));
}

TEST(TaskPlan, WaitsForContainersThatItLinksToAndTakesVolumesFrom) {
  auto request = request_of({{.name = "web"}, {.name = "db"}, {.name = "disk"}});
  auto& web = *request.mutable_definition()->mutable_container_definitions(0);
  web.add_links("db:data");
  web.add_volumes_from()->set_source_container("disk");
  const auto plan = plan_task(request, {});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->containers[0].depends_on.size(), 2U);
  EXPECT_EQ(plan->containers[0].depends_on[0].on, 1U);
  EXPECT_EQ(plan->containers[0].depends_on[1].on, 2U);
  EXPECT_EQ(plan->containers[0].depends_on[1].condition, Condition::Start);
  request.mutable_definition()->mutable_container_definitions(1)->add_links("web");
  EXPECT_FALSE(plan_task(request, {})) << "a cycle";
}

}  // namespace
}  // namespace berth::runtime
