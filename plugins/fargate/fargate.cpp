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
    : AgentLaunchType(host, {.launch_type = kLaunchType, .port = kPort}),
      pools_(Pools::read(host.settings())) {}

Fargate::~Fargate() {
  close();
}

void Fargate::describe(v1::Interface& self) const {
  self.add_launch_types(kLaunchType);
  self.set_hidden_nodes(true);
  self.add_capacity_providers("FARGATE");
  self.add_capacity_providers("FARGATE_SPOT");
  self.add_reclaimable_capacity_providers("FARGATE_SPOT");
}

void Fargate::plan(v1::PlanRequest request, sdk::Completion<v1::PlanResponse> done) {
  done.ok(plan_task(request));
}

void Fargate::adapt(v1::Node& node) {
  const auto problem = problem_of(node, pools_);
  if (problem) node.set_connected(false);
  const std::string complaint = problem.value_or("");
  {
    const std::lock_guard lock(mutex_);
    const auto said = complaints_.find(node.id());
    if (complaint == (said == complaints_.end() ? "" : said->second)) return;
    if (problem) {
      complaints_[node.id()] = complaint;
    } else {
      complaints_.erase(said);
    }
  }
  if (problem) host().warn("the host " + node.id() + " gets no tasks: " + complaint);
}

}  // namespace berth::fargate

BERTH_EXPORT_PLUGIN(berth::fargate::kAbout, berth::fargate::Fargate);
