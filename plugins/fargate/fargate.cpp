// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/fargate.hpp"

#include "berth/plugin.hpp"
#include "plugins/fargate/plan.hpp"

namespace berth::fargate {
namespace {

constexpr std::uint16_t kPort = 5082;

constexpr sdk::About kAbout{
    .name = "fargate", .version = "0.1.0", .vendor = "Berth", .license = "Apache-2.0"};

}  // namespace

Fargate::Fargate(sdk::Host host)
    : AgentLaunchType(host, {.launch_type = kLaunchType, .port = kPort}) {}

void Fargate::describe(v1::Interface& self) const {
  self.add_launch_types(kLaunchType);
  self.set_hidden_nodes(true);
}

void Fargate::plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) {
  done.ok(plan_task(request));
}

}  // namespace berth::fargate

BERTH_EXPORT_PLUGIN(berth::fargate::kAbout, berth::fargate::Fargate);
