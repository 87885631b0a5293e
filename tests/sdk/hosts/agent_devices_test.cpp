// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/agent_devices.hpp"

#include <gmock/gmock.h>

#include "sdk/hosts/agent_plan.hpp"

namespace berth::hosts {
namespace {

using ::testing::HasSubstr;

class AgentDevices : public ::testing::Test {
 protected:
  AgentDevices() {
    for (const char* name : {"a", "b"}) {
      auto& container = *request.mutable_definition()->add_container_definitions();
      container.set_name(name);
      container.set_image("web");
      container.set_memory(32);
    }
  }
  v1::ecs::ResourceRequirement& wish(int container, const std::string& value) {
    auto& definition = *request.mutable_definition()->mutable_container_definitions(container);
    auto& wanted = *definition.add_resource_requirements();
    wanted.set_type("GPU");
    if (!value.empty()) wanted.set_value(value);
    return wanted;
  }
  v1::Requirement requirement() {
    const auto plan = plan_for_agents(request, "EC2");
    EXPECT_EQ(plan.refusals_size(), 0) << plan.refusals(0).message();
    return plan.requirement();
  }
  std::string refusal() {
    const auto plan = plan_for_agents(request, "EC2");
    EXPECT_EQ(plan.refusals_size(), 1);
    return plan.refusals_size() == 0
               ? ""
               : plan.refusals(0).member() + ": " + plan.refusals(0).message();
  }

  v1::PlanRequest request;
};

TEST_F(AgentDevices, AreWholeOnesForEachContainer) {
  wish(0, "2");
  wish(1, "1");
  const v1::Requirement needs = requirement();
  ASSERT_EQ(needs.devices_size(), 2);
  EXPECT_EQ(needs.devices(0).container(), "a");
  EXPECT_EQ(needs.devices(0).type(), "GPU");
  EXPECT_EQ(needs.devices(0).count(), 2);
  EXPECT_EQ(needs.devices(0).share_milli(), 0);
  EXPECT_EQ(needs.devices(1).container(), "b");
  EXPECT_EQ(needs.devices(1).count(), 1);
}

TEST_F(AgentDevices, ArePartsByThousandths) {
  wish(0, "0.25");
  wish(1, "0.125");
  const v1::Requirement needs = requirement();
  ASSERT_EQ(needs.devices_size(), 2);
  EXPECT_EQ(needs.devices(0).count(), 0);
  EXPECT_EQ(needs.devices(0).share_milli(), 250);
  EXPECT_EQ(needs.devices(1).share_milli(), 125);
}

TEST_F(AgentDevices, AreSharesOfComputeAndMemory) {
  auto& share = *wish(0, "").mutable_sharing_strategy()->mutable_nvidia_mps();
  share.set_max_compute_percent(40);
  share.set_memory(4096);
  wish(1, "").mutable_sharing_strategy()->mutable_nvidia_mps()->set_memory(100);
  const v1::Requirement needs = requirement();
  ASSERT_EQ(needs.devices_size(), 2);
  EXPECT_EQ(needs.devices(0).share_milli(), 400);
  EXPECT_EQ(needs.devices(0).memory_mib(), 4096);
  EXPECT_EQ(needs.devices(1).share_milli(), 0);
  EXPECT_EQ(needs.devices(1).memory_mib(), 100);
}

TEST_F(AgentDevices, OfAnOverrideReplaceTheDefinitions) {
  wish(0, "2");
  auto& changes = *request.mutable_overrides()->add_container_overrides();
  changes.set_name("a");
  auto& wanted = *changes.add_resource_requirements();
  wanted.set_type("GPU");
  wanted.set_value("3");
  const v1::Requirement needs = requirement();
  ASSERT_EQ(needs.devices_size(), 1);
  EXPECT_EQ(needs.devices(0).count(), 3);
}

TEST_F(AgentDevices, ThatMakeNoSenseAreRefusedByTheMember) {
  auto& wanted = wish(1, "");
  for (const char* value : {"0", "-1", "1.5", "0.0", "0.1234", "many", "", "0.", "1025"}) {
    wanted.set_value(value);
    EXPECT_THAT(refusal(), HasSubstr("containerDefinitions[1].resourceRequirements: '" +
                                     std::string(value) + "' is no number of GPUs"));
  }
  wanted.set_value("1");
  wanted.mutable_sharing_strategy()->mutable_nvidia_mps()->set_memory(1);
  EXPECT_THAT(refusal(), HasSubstr("not both"));
  wanted.clear_value();
  wanted.mutable_sharing_strategy()->mutable_nvidia_mps()->set_memory(0);
  EXPECT_THAT(refusal(), HasSubstr("at least 1 MiB"));
  wanted.mutable_sharing_strategy()->mutable_nvidia_mps()->clear_memory();
  EXPECT_THAT(refusal(), HasSubstr("memory, maxComputePercent, or both"));
  wanted.mutable_sharing_strategy()->mutable_nvidia_mps()->set_max_compute_percent(101);
  EXPECT_THAT(refusal(), HasSubstr("from 1 to 100"));
}

TEST_F(AgentDevices, OfOtherTypesAreRefusedByName) {
  wish(0, "eia").set_type("InferenceAccelerator");
  EXPECT_THAT(
      refusal(),
      HasSubstr(
          "containerDefinitions[0].resourceRequirements: The launch type EC2 does not act on"));
}

}  // namespace
}  // namespace berth::hosts
