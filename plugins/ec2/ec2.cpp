// SPDX-License-Identifier: Apache-2.0
#include "plugins/ec2/ec2.hpp"

#include "berth/plugin.hpp"
#include "sdk/hosts/agent_plan.hpp"

namespace berth::ec2 {
namespace {

constexpr const char* kLaunchType = "EC2";
constexpr std::uint16_t kPort = 5081;

v1::PlanResponse plan_task(const v1::PlanRequest& request) {
  v1::PlanResponse plan = hosts::plan_for_agents(request, kLaunchType);
  // There is no way from outside to a task's own interface on hosts of one's own.
  if (request.network_configuration().awsvpc_configuration().assign_public_ip() == "ENABLED") {
    hosts::refuse(plan, v1::Refusal::ERROR_INVALID_PARAMETER,
                  "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                  "Assign public IP is not supported for this launch type.");
  }
  if (!request.platform_version().empty()) {
    hosts::refuse(plan, v1::Refusal::ERROR_INVALID_PARAMETER, "platformVersion",
                  "The platform version must be null when specifying an EC2 launch type.");
  }
  return plan;
}

constexpr sdk::About kAbout{
    .name = "ec2", .version = "0.1.0", .vendor = "Berth", .license = "Apache-2.0"};

}  // namespace

Ec2::Ec2(sdk::Host host) : AgentLaunchType(host, {.launch_type = kLaunchType, .port = kPort}) {}

void Ec2::describe(v1::Interface& self) const {
  self.add_launch_types(kLaunchType);
}

void Ec2::plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) {
  done.ok(plan_task(request));
}

}  // namespace berth::ec2

BERTH_EXPORT_PLUGIN(berth::ec2::kAbout, berth::ec2::Ec2);
