// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/task_roles.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace berth::daemon
