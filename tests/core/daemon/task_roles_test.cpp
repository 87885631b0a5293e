// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/task_roles.hpp"

#include <gtest/gtest.h>

#include "core/daemon/pull_grants.hpp"

namespace berth::daemon {
namespace {

class TaskRoles : public ::testing::Test {
 protected:
  TaskRoles() {
    auto definition = std::make_shared<TaskDefinition>();
    definition->message.set_task_role_arn("arn:task");
    definition->message.set_execution_role_arn("arn:execution");
    task_.id = TaskId(std::string(32, 'a'));
    task_.cluster = ClusterName("default");
    task_.plugin = PluginName("ec2");
    task_.node = NodeId("node");
    task_.definition = definition;
    task_.launch = launch_;
  }
  std::string role(const std::string& node = "node", const std::string& plugin = "ec2",
                   v1::TaskCredentialsRequest::Role which = v1::TaskCredentialsRequest::ROLE_TASK) {
    control::State state;
    state.put(std::make_shared<const Task>(task_));
    v1::TaskCredentialsRequest request;
    request.set_task_id(task_.id.str());
    request.set_node_id(node);
    request.set_role(which);
    const auto arn = role_of(state, PluginName(plugin), request);
    return arn ? *arn : "refused";
  }
  std::shared_ptr<Launch> launch_ = std::make_shared<Launch>();
  Task task_;
};

TEST_F(TaskRoles, AreTheDefinitionsOrTheOverrides) {
  EXPECT_EQ(role(), "arn:task");
  EXPECT_EQ(role("node", "ec2", v1::TaskCredentialsRequest::ROLE_EXECUTION), "arn:execution");
  launch_->overrides.set_task_role_arn("arn:override");
  EXPECT_EQ(role(), "arn:override");
}

TEST_F(TaskRoles, AreToldToThePluginAndTheNodeThatRunTheTaskAlone) {
  EXPECT_EQ(role("other"), "refused");
  EXPECT_EQ(role("node", "gpu"), "refused");
  EXPECT_EQ(role("node", "ec2", v1::TaskCredentialsRequest::ROLE_UNSPECIFIED), "refused");
}

TEST_F(TaskRoles, EndWithTheTask) {
  task_.last_status = TaskStatus::Stopped;
  EXPECT_EQ(role(), "refused");
}

TEST_F(TaskRoles, AreForPullingWhatTheTasksOfTheHostPull) {
  auto definition = std::make_shared<TaskDefinition>(*task_.definition);
  auto* container = definition->message.add_container_definitions();
  container->set_image("registry.example:5000/team/web:1");
  container->mutable_repository_credentials()->set_credentials_parameter("arn:secret");
  definition->message.add_container_definitions()->set_image("busybox");
  task_.definition = definition;
  const auto may = [this](const std::string& registry, const std::string& role,
                          const std::string& credentials, const std::string& node = "node",
                          const std::string& plugin = "ec2") {
    control::State state;
    state.put(std::make_shared<const Task>(task_));
    v1::AuthorizeRequest request;
    request.set_registry(registry);
    request.set_execution_role_arn(role);
    request.set_credentials(credentials);
    request.set_node_id(node);
    return may_pull(state, PluginName(plugin), request).has_value();
  };
  const std::string own = "registry.example:5000";
  EXPECT_TRUE(may(own, "arn:execution", ""));
  EXPECT_TRUE(may(own, "arn:execution", "arn:secret"));
  EXPECT_TRUE(may(own, "", "arn:secret"));
  EXPECT_TRUE(may("docker.io", "arn:execution", ""));
  EXPECT_FALSE(may("docker.io", "", "arn:secret")) << "they are for another registry";
  EXPECT_FALSE(may("evil.example", "arn:execution", "arn:secret"));
  EXPECT_FALSE(may(own, "arn:task", "")) << "pulls are the execution role's";
  EXPECT_FALSE(may(own, "arn:execution", "arn:other"));
  EXPECT_FALSE(may(own, "arn:execution", "", "other"));
  EXPECT_FALSE(may(own, "arn:execution", "", "node", "gpu"));
  task_.last_status = TaskStatus::Stopped;
  EXPECT_FALSE(may(own, "arn:execution", ""));
}

TEST(PullGrantsOfCalls, CoverWhatANodeWasToldToPullForAnHour) {
  PullGrants grants;
  const Instant now{std::chrono::hours(1000)};
  const PluginName ec2("ec2");
  v1::PullImageRequest pull;
  pull.set_node_id("node");
  pull.set_image("registry.example/web:1");
  pull.set_execution_role_arn("arn:execution");
  grants.add(ec2, pull, now);
  const auto covers = [&](const std::string& registry, const std::string& role,
                          const std::string& credentials, const std::string& node, Instant at) {
    v1::AuthorizeRequest request;
    request.set_registry(registry);
    request.set_execution_role_arn(role);
    request.set_credentials(credentials);
    request.set_node_id(node);
    return grants.cover(ec2, request, at);
  };
  EXPECT_TRUE(covers("registry.example", "arn:execution", "", "node", now));
  EXPECT_FALSE(covers("evil.example", "arn:execution", "", "node", now));
  EXPECT_FALSE(covers("registry.example", "arn:other", "", "node", now));
  EXPECT_FALSE(covers("registry.example", "arn:execution", "arn:secret", "node", now));
  EXPECT_FALSE(covers("registry.example", "arn:execution", "", "other", now));
  EXPECT_FALSE(
      covers("registry.example", "arn:execution", "", "node", now + std::chrono::hours(1)));
}

}  // namespace
}  // namespace berth::daemon
