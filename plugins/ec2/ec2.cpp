// SPDX-License-Identifier: Apache-2.0
#include "plugins/ec2/ec2.hpp"

#include "berth/plugin.hpp"
#include "sdk/hosts/agent_plan.hpp"

namespace berth::ec2 {
namespace {

constexpr const char* kLaunchType = "EC2";
constexpr std::uint16_t kPort = 5081;

constexpr sdk::About kAbout{
    .name = "ec2", .version = "0.1.0", .vendor = "Berth", .license = "Apache-2.0"};

}  // namespace

Ec2::Ec2(sdk::Host host) : AgentLaunchType(host, {.launch_type = kLaunchType, .port = kPort}) {}

void Ec2::describe(v1::Interface& self) const {
  self.add_launch_types(kLaunchType);
}

void Ec2::plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) {
  done.ok(hosts::plan_for_instances(request, kLaunchType));
}

}  // namespace berth::ec2

BERTH_EXPORT_PLUGIN(berth::ec2::kAbout, berth::ec2::Ec2);
